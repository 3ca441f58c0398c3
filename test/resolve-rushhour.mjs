/** For `node --import`: the examples' "rushhour" is this checkout as it stands. That an installed one works is for package.test.ts. */
import { registerHooks } from "node:module";

const CHECKOUT = new URL("../index.ts", import.meta.url).href;

registerHooks({
  resolve: (specifier, context, next) => next(specifier === "rushhour" ? CHECKOUT : specifier, context),
});
