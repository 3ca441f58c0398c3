import { numberedStreams, zipf, type Rng } from "../../contract/random.ts";

/** Where requests come from; a user's for a fortnight. */
export interface Home {
  readonly user_agent: string;
  readonly client_ip: string; // private or for documentation (RFC 1918, 5737, 3849): nobody's
}

const BROWSERS = [
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0",
  "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15",
  "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
  "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
  "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
];

export const USERS = 2_000;
const FORTNIGHT = 14;
const ACTIVE = 0.4; // share of users who come on a day at all
const BUYS = 0.3; // share of those who buy something

export interface Customer {
  readonly user: number; // 1 … USERS
  readonly buys: boolean; // on this day
}

export interface People {
  /** One of today's customers, the popular ones more often. */
  customerOn(day: number): Customer;
  homeOf(user: number, day: number): Home;
  stranger(): Home;
}

/** @param rng decides who comes; what people are like is the seed's alone */
export function createPeople(seed: number, rng: Rng): People {
  const popularity = zipf(USERS);
  const moodOf = numberedStreams(seed, "moods");
  const homeOf = numberedStreams(seed, "homes");
  return {
    customerOn(day) {
      for (let tries = 0; ; tries++) {
        const user = 1 + popularity(rng);
        const mood = moodOf(day * (USERS + 1) + user);
        if (mood.float() < ACTIVE || tries === 5) return { user, buys: mood.float() < BUYS };
      }
    },
    homeOf: (user, day) => drawHome(homeOf(Math.floor((day + user) / FORTNIGHT) * (USERS + 1) + user)),
    stranger: () => drawHome(rng),
  };
}

function drawHome(rng: Rng): Home {
  const bits = rng.uint32();
  const client_ip =
    bits % 8 === 0
      ? `2001:db8:${(bits >>> 20).toString(16)}:${((bits >>> 8) & 0xfff).toString(16)}::1`
      : `10.${bits >>> 24}.${(bits >>> 16) & 255}.${1 + (((bits >>> 8) & 255) % 254)}`;
  return { user_agent: rng.pick(BROWSERS), client_ip };
}
