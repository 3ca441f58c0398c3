import { stream } from "../contract/random.ts";
import type { Rng } from "../contract/random.ts";

export interface User {
  readonly id: number; // 1, 2, 3 …
  readonly username: string;
  readonly name: string;
  readonly email: string;
  readonly city: string;
}

export interface Product {
  readonly id: number; // 1, 2, 3 …
  readonly name: string; // unique
  readonly category: string;
  readonly price_cents: number;
  readonly stock: number; // when the shelves are full; what is left: see Stock
}

const USERS = 500;
const STOCK = { least: 60, most: 400 };

// prettier-ignore
const FIRST_NAMES = [
  "Ada", "Amir", "Anouk", "Bela", "Carla", "Chidi", "Dana", "Elif", "Emil", "Farah", "Finn", "Goran", "Hana", "Ines",
  "Ivo", "Jonas", "Kaya", "Keiko", "Lars", "Leila", "Luca", "Mara", "Milan", "Nadia", "Nils", "Noor", "Oskar", "Paula",
  "Priya", "Quinn", "Rania", "Rosa", "Samir", "Sofia", "Tariq", "Tessa", "Uma", "Viktor", "Yara", "Zoe",
];
// prettier-ignore
const LAST_NAMES = [
  "Abadi", "Almeida", "Bergstrom", "Brandt", "Castel", "Dorn", "Eriksen", "Farkas", "Fontaine", "Grau", "Haddad",
  "Holm", "Iversen", "Jansen", "Kaminski", "Keller", "Kovac", "Lindqvist", "Marchetti", "Moreau", "Nakata", "Novak",
  "Okafor", "Olsen", "Pereira", "Quist", "Rao", "Rossi", "Sandoval", "Sato", "Sharma", "Solberg", "Tanaka", "Toth",
  "Ueda", "Vargas", "Weiss", "Yilmaz", "Zeman", "Zoric",
];
const CITIES = ["Aarhus", "Bologna", "Cork", "Ghent", "Graz", "Lyon", "Porto", "Tartu", "Utrecht", "Vilnius"];

/** Ten ranges of twenty things each: 200 products with a name of their own. */
const RANGES = [
  { name: "Alder", factor: 1 },
  { name: "Brightwater", factor: 1.4 },
  { name: "Cobalt", factor: 1.2 },
  { name: "Driftwood", factor: 0.9 },
  { name: "Ember", factor: 1.1 },
  { name: "Foxglove", factor: 0.8 },
  { name: "Granite", factor: 1.6 },
  { name: "Harbour", factor: 1.3 },
  { name: "Juniper", factor: 0.7 },
  { name: "Lantern", factor: 2 },
];
// prettier-ignore
const THINGS = [
  ["Kettle", "kitchen", 4990], ["Chef's Knife", "kitchen", 5900], ["Espresso Cup", "kitchen", 1290], ["Saucepan", "kitchen", 3990],
  ["Desk Lamp", "home", 4490], ["Wool Blanket", "home", 6900], ["Wall Clock", "home", 2990], ["Cushion", "home", 1990],
  ["Rucksack", "outdoor", 7900], ["Water Bottle", "outdoor", 1690], ["Head Torch", "outdoor", 2790], ["Hammock", "outdoor", 5490],
  ["Headphones", "electronics", 8900], ["Keyboard", "electronics", 6490], ["Power Bank", "electronics", 2990], ["Webcam", "electronics", 4990],
  ["Notebook", "office", 890], ["Fountain Pen", "office", 2490], ["Monitor Stand", "office", 3490], ["Document Tray", "office", 1490],
] as const;

/** The people who have an account: the same ones for the same seed. */
export function seedUsers(seed: number): User[] {
  const rng = stream(seed, "users");
  const taken = new Map<string, number>();
  return Array.from({ length: USERS }, (_, index) => {
    const [first, last] = [rng.pick(FIRST_NAMES), rng.pick(LAST_NAMES)];
    const handle = `${first}.${last}`.toLowerCase();
    const namesakes = taken.get(handle) ?? 0;
    taken.set(handle, namesakes + 1);
    const username = namesakes === 0 ? handle : `${handle}${namesakes + 1}`;
    const email = `${username}@example.com`;
    return { id: index + 1, username, name: `${first} ${last}`, email, city: rng.pick(CITIES) };
  });
}

/** What is on sale: the same products, prices and first stock for the same seed. */
export function seedProducts(seed: number): Product[] {
  const rng = stream(seed, "products");
  const all = RANGES.flatMap((range) => THINGS.map((thing) => ({ range, thing })));
  return shuffled(all, rng).map(({ range, thing: [thing, category, cents] }, index) => ({
    id: index + 1,
    name: `${range.name} ${thing}`,
    category,
    price_cents: Math.round((cents * range.factor) / 10) * 10,
    stock: STOCK.least + rng.integer(STOCK.most - STOCK.least + 1),
  }));
}

/** Fisher and Yates. */
function shuffled<T>(items: readonly T[], rng: Rng): T[] {
  const deck = [...items];
  for (let i = deck.length - 1; i > 0; i--) {
    const j = rng.integer(i + 1);
    [deck[i], deck[j]] = [deck[j]!, deck[i]!];
  }
  return deck;
}
