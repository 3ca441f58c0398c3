/**
 * A visitor who leafs through the catalogue until the product of the day turns up, then looks at it twice: a decision
 * that is easier said in code than in YAML. Used by shop.yaml beside it.
 */
import { get } from "rushhour";
import type { Answer, Journey, SessionContext, Steps } from "rushhour";

const PAGE = 20;

const search: Journey = {
  name: "search",
  weight: 1,
  steps: function* (session: SessionContext): Steps {
    const wanted = 1 + session.rng.integer(60);
    for (let offset = 0; offset < 200; offset += PAGE) {
      const answer = yield get(`/products?limit=${PAGE}&offset=${offset}`, {
        name: "GET /products",
        capture: true, // the body is wanted
        planned: { products: [{ id: wanted }] }, // while planning, the first page holds it
      });
      session.check("the catalogue answers", answer.status === 200);
      session.think(session.rng.lognormal(800, 0.5));
      if (!idsOn(answer).includes(wanted)) continue;
      yield get(`/products/${wanted}`, { name: "GET /products/{id}" });
      session.think(session.rng.lognormal(2_000, 0.5));
      yield get(`/products/${wanted}`, { name: "GET /products/{id}" });
      return;
    }
  },
};

export default search;

function idsOn(answer: Answer): readonly number[] {
  const { products = [] } = (answer.json() ?? {}) as { products?: { id: number }[] };
  return products.map(({ id }) => id);
}
