// The keys that sign tokens: found by the metadata of the issuer, kept, fetched again for a key that is new, and used on
// for a while when the issuer cannot be reached.
import {
  type CryptoKey,
  createLocalJWKSet,
  errors,
  type FlattenedJWSInput,
  type JSONWebKeySet,
  type JWSHeaderParameters,
} from 'jose';

export type GetKey = (
  header: JWSHeaderParameters | undefined,
  token: FlattenedJWSInput | undefined,
) => Promise<CryptoKey>;

export interface KeySetDeps {
  readonly issuer: string;
  readonly fetch: typeof fetch;
  readonly onTrouble: (trouble: Error) => void;
  /** Milliseconds. */
  readonly now: () => number;
}

/** So long a set is used without a look. */
const FRESH_MILLISECONDS = 10 * 60_000;
/** A token of a key that nobody knows must not make a request each. */
const COOLDOWN_MILLISECONDS = 10_000;
/** A set that could not be renewed is good for so long; after that nobody can be recognised. */
const STALE_MILLISECONDS = 24 * 60 * 60_000;
const TIMEOUT_MILLISECONDS = 5_000;

/** Thrown when the keys cannot be had: the request is neither good nor bad. */
export class KeysUnavailable extends Error {
  override message = 'the keys of the issuer cannot be had';
}

export function createKeySet(deps: KeySetDeps): GetKey {
  const { now } = deps;
  let known: { find: GetKey; at: number } | undefined;
  let triedAt = Number.NEGATIVE_INFINITY;
  let isFailing = false;
  let loading: Promise<void> | undefined;

  /** Never throws. */
  const reload = (): Promise<void> => {
    loading ??= load(deps)
      .then(
        (set) => {
          known = { find: createLocalJWKSet(set), at: now() };
          isFailing = false;
        },
        (cause: unknown) => {
          isFailing = true;
          deps.onTrouble(new Error('the keys of the issuer cannot be fetched', { cause }));
        },
      )
      .finally(() => {
        triedAt = now();
        loading = undefined;
      });
    return loading;
  };

  const rested = () => now() - triedAt >= COOLDOWN_MILLISECONDS;
  const age = () => (known === undefined ? Number.POSITIVE_INFINITY : now() - known.at);

  async function current(): Promise<GetKey> {
    if (age() > FRESH_MILLISECONDS && (rested() || loading)) {
      const renewed = reload();
      // An issuer that hangs must not hold up every request while there are keys to go on with.
      if (!isFailing || age() > STALE_MILLISECONDS) await renewed;
    }
    if (known === undefined || age() > STALE_MILLISECONDS) throw new KeysUnavailable();
    return known.find;
  }

  return async (header, token) => {
    try {
      return await (await current())(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      // Signed with a key that was made since, or by somebody else.
      if (rested()) await reload();
      if (isFailing) throw new KeysUnavailable();
      return (await current())(header, token);
    }
  };
}

async function load({ issuer, fetch: ask }: KeySetDeps): Promise<JSONWebKeySet> {
  const metadata = await json(ask, metadataUrl(issuer));
  // RFC 8414 §3.3: the document of somebody else says nothing about this issuer.
  if (metadata.issuer !== issuer) throw new Error(`the metadata is that of ${String(metadata.issuer)}`);
  const set = await json(ask, String(metadata.jwks_uri));
  if (!Array.isArray(set.keys)) throw new Error('the document at jwks_uri is no key set');
  return set as unknown as JSONWebKeySet; // createLocalJWKSet checks each key when it is used
}

/** RFC 8414 §3.1: the well-known part stands before the path of the issuer. */
function metadataUrl(issuer: string): string {
  const { origin, pathname } = new URL(issuer);
  return `${origin}/.well-known/oauth-authorization-server${pathname === '/' ? '' : pathname}`;
}

async function json(ask: typeof fetch, url: string): Promise<Record<string, unknown>> {
  const response = await ask(url, { redirect: 'error', signal: AbortSignal.timeout(TIMEOUT_MILLISECONDS) });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  const body: unknown = await response.json();
  if (typeof body !== 'object' || body === null) throw new Error(`${url} answered no object`);
  return body as Record<string, unknown>; // an object of JSON; each member is checked where it is used
}
