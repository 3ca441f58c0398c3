import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { messageOf } from "./errors.ts";

/** What keeps a file from being used as PEM of its kind; undefined when nothing does. */
export function pemProblem(path: string, kind: "certificates" | "key"): string | undefined {
  if (path.includes("-----BEGIN")) return `must be the path of a PEM file, not what such a file holds`;
  let pem: string;
  try {
    pem = readFileSync(path, "utf8");
  } catch (error) {
    return `cannot be read: ${messageOf(error)}`;
  }
  try {
    if (kind === "key") createPrivateKey(pem);
    else new X509Certificate(pem);
    return undefined;
  } catch (error) {
    const rule =
      kind === "key"
        ? "a private key in PEM without a passphrase (-----BEGIN PRIVATE KEY-----)"
        : "certificates in PEM (-----BEGIN CERTIFICATE-----)";
    return `must hold ${rule}: ${messageOf(error)}`;
  }
}

/** Whether the private key in one PEM file belongs to the first certificate in the other. */
export function isPair(certPath: string, keyPath: string): boolean {
  const key = createPrivateKey(readFileSync(keyPath, "utf8"));
  return new X509Certificate(readFileSync(certPath, "utf8")).checkPrivateKey(key);
}

/** As {@link certificateProblem}, of the database. */
export const databaseCertificateProblem = (error: unknown, hasOwnCa: boolean): string | undefined =>
  certificateProblem(messageOf(error), { name: "MYSQL_TLS_CA", isSet: hasOwnCa });

/**
 * Why a server's certificate was refused, and what to do; undefined when something else went wrong.
 * @param message of Node or OpenSSL
 * @param setting which one names the authorities, and whether it is set: without it those that Node knows are trusted
 */
export function certificateProblem(
  message: string,
  setting: { readonly name: string; readonly isSet: boolean },
): string | undefined {
  const reason = message.replace(/^Connection error: |[:\s]+$/g, "");
  if (/self[- ]signed|unable to (verify|get)|signature failure/i.test(reason)) {
    return setting.isSet
      ? `its certificate is not signed by ${setting.name} (${reason})`
      : `its certificate is not signed by an authority that Node knows (${reason}): set ${setting.name} to the one that did`;
  }
  if (/does not match certificate/i.test(reason))
    return `its certificate was made for another server (${reason}): use a name that is in it`;
  if (/certificate has expired|not yet valid/i.test(reason))
    return `its certificate is not valid at this time (${reason})`;
  return undefined;
}
