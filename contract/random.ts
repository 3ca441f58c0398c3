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
  /** One of a list that is not empty, each as likely. */
  pick<T>(list: readonly T[]): T;
}

/**
 * The stream called `name` of `seed`. Streams do not influence each other: drawing more from one leaves all others as
 * they were. The generator is xoshiro128**, its 128-bit state the head of SHA-256 of seed and name.
 */
export function stream(seed: number, name: string): Rng {
  const digest = createHash("sha256").update(`${seed}/${name}`).digest();
  return rngOf(
    xoshiro128([
      digest.readUInt32LE(0),
      digest.readUInt32LE(4),
      digest.readUInt32LE(8),
      digest.readUInt32LE(12),
    ]),
  );
}

/**
 * xoshiro128** 1.1: 32 bits a call; the state must not be all zero.
 * @see https://prng.di.unimi.it/xoshiro128starstar.c (D. Blackman, S. Vigna)
 */
export function xoshiro128(state: readonly [number, number, number, number]): () => number {
  let [a, b, c, d] = state;
  return () => {
    const result = Math.imul(rotateLeft(Math.imul(b, 5), 7), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = rotateLeft(d, 11);
    return result;
  };
}

function rotateLeft(bits: number, by: number): number {
  return (bits << by) | (bits >>> (32 - by));
}

function rngOf(uint32: () => number): Rng {
  const float = () => uint32() / 2 ** 32;
  const integer = (below: number) => Math.floor(float() * below);
  return {
    uint32,
    float,
    integer,
    exponential: (mean) => -Math.log(1 - float()) * mean,
    pick: (list) => list[integer(list.length)]!,
  };
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

/** Draws ranks 0 … `count` - 1 by Zipf's law: rank r is 1 / (r + 1) as popular as the first. */
export function zipf(count: number): (rng: Rng) => number {
  return weighted(Array.from({ length: count }, (_, rank) => 1 / (rank + 1)));
}
