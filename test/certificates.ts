import {
  createHash,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  type KeyObject,
} from "node:crypto";
import { isIPv4 } from "node:net";

/** In PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** Throw-away certificates of one authority, made here: neither openssl nor keytool need be on the machine. */
export interface Authority {
  readonly cert: string; // PEM
  /** @param names DNS names and IPv4 addresses of a server; of a client any name */
  issue(...names: string[]): Certificate;
}

export function createAuthority(name: string): Authority {
  const { privateKey } = newKey();
  const issuer = { name, key: privateKey };
  const cert = certificate(name, privateKey, issuer, [
    extension("2.5.29.19", true, sequence(boolean(true))), // basicConstraints: CA
    extension("2.5.29.15", true, element(0x03, Buffer.from([1, 0x06]))), // keyUsage: signs certificates and lists
  ]);
  return {
    cert,
    issue(...names) {
      const key = newKey().privateKey;
      const altNames = names.map((one) =>
        isIPv4(one)
          ? element(0x87, Buffer.from(one.split(".").map(Number)))
          : element(0x82, Buffer.from(one)),
      );
      return {
        cert: certificate(names[0]!, key, issuer, [extension("2.5.29.17", false, sequence(...altNames))]),
        key: key.export({ type: "pkcs8", format: "pem" }) as string,
      };
    },
  };
}

const newKey = () => generateKeyPairSync("ec", { namedCurve: "P-256" });

const DAY_MS = 86_400_000;
const ECDSA_SHA256 = sequence(oid("1.2.840.10045.4.3.2"));

/** @see https://www.rfc-editor.org/rfc/rfc5280#section-4.1 */
function certificate(
  subject: string,
  key: KeyObject,
  issuer: { readonly name: string; readonly key: KeyObject },
  extensions: readonly Buffer[],
): string {
  const toBeSigned = sequence(
    element(0xa0, integer(2)), // version 3
    element(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)])), // serial number, positive
    ECDSA_SHA256,
    nameOf(issuer.name),
    sequence(time(Date.now() - DAY_MS), time(Date.now() + DAY_MS)),
    nameOf(subject),
    createPublicKey(key).export({ type: "spki", format: "der" }),
    element(
      0xa3,
      sequence(
        ...extensions,
        extension("2.5.29.35", false, sequence(element(0x80, keyId(issuer.key)))), // whose key has signed
        extension("2.5.29.14", false, element(0x04, keyId(key))),
      ),
    ),
  );
  const signature = sign("sha256", toBeSigned, issuer.key);
  const der = sequence(toBeSigned, ECDSA_SHA256, element(0x03, Buffer.concat([Buffer.from([0]), signature])));
  const lines = der.toString("base64").match(/.{1,64}/g)!;
  return ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join("\n");
}

const keyId = (key: KeyObject) =>
  createHash("sha1")
    .update(createPublicKey(key).export({ type: "spki", format: "der" }))
    .digest();

const nameOf = (commonName: string) =>
  sequence(element(0x31, sequence(oid("2.5.4.3"), element(0x0c, Buffer.from(commonName)))));

const time = (ms: number) =>
  element(0x18, Buffer.from(`${new Date(ms).toISOString().replace(/[-:T]|\..*/g, "")}Z`));

const extension = (id: string, isCritical: boolean, value: Buffer) =>
  sequence(oid(id), ...(isCritical ? [boolean(true)] : []), element(0x04, value));

const boolean = (value: boolean) => element(0x01, Buffer.from([value ? 0xff : 0]));
const integer = (value: number) => element(0x02, Buffer.from([value]));

/** DER: tag, length, content. */
function element(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return element(0x30, Buffer.concat(parts));
}

function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const bytes = [first * 40 + second];
  for (const number of rest) {
    const septets = [number & 0x7f];
    for (let left = number >> 7; left > 0; left >>= 7) septets.unshift((left & 0x7f) | 0x80);
    bytes.push(...septets);
  }
  return element(0x06, Buffer.from(bytes));
}
