/** What goes up and down: the value last set, and the most it ever was. */
export class Gauge {
  #value = 0;
  #max = 0;

  get value(): number {
    return this.#value;
  }

  get max(): number {
    return this.#max;
  }

  set(value: number): void {
    this.#value = value;
    this.#max = Math.max(this.#max, value);
  }
}
