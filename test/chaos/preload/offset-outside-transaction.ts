import { registerHooks } from "node:module";

/** An injected bug: the consumer moves its position before the transaction that stores the rows, not in it. */
const RIGHT = /"BEGIN",(\s*)(fence\(.*\)),/;

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    if (!url.endsWith("/consumer/store.ts")) return loaded;
    const source = (loaded.source as Buffer | string).toString();
    if (!RIGHT.test(source))
      throw new Error("consumer/store.ts has changed: this bug has to be injected otherwise");
    return { ...loaded, source: source.replace(RIGHT, '$2,$1"BEGIN",') };
  },
});
