import { createHash } from "node:crypto";

/** A source of random numbers that the seed alone decides. */
export interface Rng {
  /** 32 random bits. */
  uint32(): number;
  /** Evenly from [0, 1). */
  float(): number;
  /** A whole number, evenly from [0, `below`). */
  integer(below: number): number;
  /** Exponentially distributed: the gap between two events of a Poisson process. */
  exponential(mean: number): number;
  /** Lognormally distributed: half lie below `median`, about two thirds within a factor of e^`sigma` around it. */
  lognormal(median: number, sigma: number): number;
  /** One of a list that is not empty, each as likely. */
  pick<T>(list: readonly T[]): T;
}

/**
 * The stream called `name` of `seed`. Streams do not influence each other: drawing more from one leaves all others as
 * they were. The generator is xoshiro128**, its 128-bit state the head of SHA-256 of seed and name.
 */
export function stream(seed: number, name: string): Rng {
  const digest = createHash("sha256").update(`${seed}/${name}`).digest();
  const [a, b, c, d] = wordsOf(digest);
  return new Xoshiro128(a, b, c, d);
}

/**
 * Streams `name/0`, `name/1` … of `seed`, for things that number in the millions: a hash of the name once, then a few
 * multiplications a stream. The state is the hash with the number mixed into each word by MurmurHash3's finaliser.
 * @see https://github.com/aappleby/smhasher/blob/master/src/MurmurHash3.cpp (fmix32)
 */
export function numberedStreams(seed: number, name: string): (n: number) => Rng {
  const digest = createHash("sha256").update(`${seed}/${name}/#`).digest();
  const [a, b, c, d] = wordsOf(digest);
  return (n) => {
    const low = mix(n >>> 0);
    const high = mix(Math.floor(n / 2 ** 32) ^ 0x9e3779b9);
    const first = mix(a ^ low) | 1; // never all zero
    return new Xoshiro128(first, mix(b ^ high ^ low), mix((c + low) | 0), mix((d + high) ^ low));
  };
}

function wordsOf(digest: Buffer): [number, number, number, number] {
  return [0, 4, 8, 12].map((at) => digest.readUInt32LE(at)) as [number, number, number, number];
}

function mix(word: number): number {
  let bits = word ^ (word >>> 16);
  bits = Math.imul(bits, 0x85ebca6b);
  bits ^= bits >>> 13;
  bits = Math.imul(bits, 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}

/**
 * xoshiro128** 1.1: 32 bits a call; the state must not be all zero. Made once an iteration, so its methods stand in
 * the class.
 * @see https://prng.di.unimi.it/xoshiro128starstar.c (D. Blackman, S. Vigna)
 */
export class Xoshiro128 implements Rng {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  constructor(a: number, b: number, c: number, d: number) {
    this.#a = a | 0; // signed, which V8 keeps unboxed
    this.#b = b | 0;
    this.#c = c | 0;
    this.#d = d | 0;
  }

  uint32(): number {
    const b = this.#b;
    const c = this.#c ^ this.#a;
    const d = this.#d ^ b;
    this.#b = b ^ c;
    this.#a ^= d;
    this.#c = c ^ (b << 9);
    this.#d = rotateLeft(d, 11);
    return Math.imul(rotateLeft(Math.imul(b, 5), 7), 9) >>> 0;
  }

  float(): number {
    return this.uint32() / 2 ** 32;
  }

  integer(below: number): number {
    return Math.floor(this.float() * below);
  }

  exponential(mean: number): number {
    return -Math.log(1 - this.float()) * mean;
  }

  /** By Box and Muller's transform: always two draws. */
  lognormal(median: number, sigma: number): number {
    const normal = Math.sqrt(-2 * Math.log(1 - this.float())) * Math.cos(2 * Math.PI * this.float());
    return median * Math.exp(sigma * normal);
  }

  pick<T>(list: readonly T[]): T {
    return list[this.integer(list.length)]!;
  }
}

function rotateLeft(bits: number, by: number): number {
  return (bits << by) | (bits >>> (32 - by));
}

/**
 * Draws indexes of `weights` in proportion to them.
 * @param weights at least one above 0, none below
 */
export function weighted(weights: readonly number[]): (rng: Rng) => number {
  let sum = 0;
  const cumulative = weights.map((weight) => (sum += weight));
  return (rng) => {
    const point = rng.float() * sum;
    let low = 0;
    let high = cumulative.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (cumulative[middle]! > point) high = middle;
      else low = middle + 1;
    }
    return low;
  };
}

/** Draws ranks 0 … `count` - 1 by Zipf's law: rank r is 1 / (r + 1)^`exponent` as popular as the first. */
export function zipf(count: number, exponent = 1): (rng: Rng) => number {
  return weighted(Array.from({ length: count }, (_, rank) => 1 / (rank + 1) ** exponent));
}
