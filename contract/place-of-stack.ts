/** Where something was thrown, by the first frame of a V8 stack: what an application log says as module, function and line. */
export function placeOfStack(
  stack: string | undefined,
): { readonly function: string | undefined; readonly module: string; readonly line: number } | undefined {
  const [, name, module, line] =
    /\n\s+at (?:async )?(?:([^\n(]+) \()?([^\n()]+?):(\d+):\d+\)?/.exec(stack ?? "") ?? [];
  return module === undefined ? undefined : { function: name, module, line: Number(line) };
}
