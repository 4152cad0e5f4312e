// DPoP proofs (RFC 9449 §4.3, §7.1): whoever presents a bound token shows that it holds the key the token is bound to.
import { calculateJwkThumbprint, EmbeddedJWK, type JWTPayload, jwtVerify } from 'jose';
import type { Why } from './refusals.ts';
import type { GuardRequest, ReplayStore } from './schema.ts';

export interface ProofSettings {
  readonly algorithms: readonly string[];
  /** So far the time of a proof may be off, in seconds, in either direction. */
  readonly windowSeconds: number;
  readonly replays: ReplayStore;
  /** Milliseconds. */
  readonly now: () => number;
}

/** Undefined when the proof is good for this request, this token and this key, and was not seen before. */
export async function wrongProof(
  request: GuardRequest,
  token: string,
  boundTo: string,
  settings: ProofSettings,
): Promise<Why | undefined> {
  const proof = request.header('dpop');
  // Node joins several headers of one name with a comma: one proof has none (RFC 9449 §4.3, check 1).
  if (proof === undefined || proof.includes(',')) {
    return refused('proof_missing', 'Send one DPoP proof with this access token.', 'invalid_token');
  }
  const checked = await verified(proof, settings);
  if (checked === undefined) return refused('proof_invalid', 'The DPoP proof is not valid.');
  const { payload, thumbprint } = checked;
  const now = settings.now() / 1000;
  if (thumbprint !== boundTo) {
    return refused('proof_invalid', 'The DPoP proof is of another key than the access token.');
  }
  if (payload.htm !== request.method || !isSameAddress(payload.htu, request.url)) {
    return refused('proof_invalid', 'The DPoP proof is for another request.');
  }
  if (payload.ath !== (await hashOf(token))) {
    return refused('proof_invalid', 'The DPoP proof is for another access token.');
  }
  const { iat = 0, jti = '' } = payload;
  if (Math.abs(now - iat) > settings.windowSeconds) {
    return refused('proof_invalid', 'The DPoP proof is too old, or the clocks differ. Make a new one.');
  }
  // RFC 9449 §11.1: as a hash, so that a long jti takes no more room than a short one.
  const fresh = await settings.replays.addOnce(
    await hashOf(`${boundTo} ${jti}`),
    Math.ceil(iat) + settings.windowSeconds + 1,
  );
  return fresh ? undefined : refused('proof_replayed', 'This DPoP proof was used before. Make a new one.');
}

function refused(code: string, detail: string, error = 'invalid_dpop_proof'): Why {
  return { status: 401, code, detail, error };
}

async function verified(
  proof: string,
  { algorithms, now }: ProofSettings,
): Promise<{ payload: JWTPayload; thumbprint: string } | undefined> {
  try {
    const { payload, protectedHeader } = await jwtVerify(proof, EmbeddedJWK, {
      typ: 'dpop+jwt',
      algorithms: [...algorithms],
      requiredClaims: ['htm', 'htu', 'iat', 'jti', 'ath'],
      currentDate: new Date(now()),
    });
    const { jwk } = protectedHeader;
    if (jwk === undefined || 'd' in jwk || typeof payload.jti !== 'string') return undefined;
    return { payload, thumbprint: await calculateJwkThumbprint(jwk) };
  } catch {
    // All of it is the client's own: a key that is no point of its curve throws what no other mistake does.
    return undefined;
  }
}

/** RFC 9449 §4.3, check 9: without query and fragment, after normalization. */
function isSameAddress(htu: unknown, url: string): boolean {
  if (typeof htu !== 'string' || !URL.canParse(htu) || !URL.canParse(url)) return false;
  const [said, asked] = [new URL(htu), new URL(url)];
  return said.origin === asked.origin && said.pathname === asked.pathname;
}

async function hashOf(text: string): Promise<string> {
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return btoa(String.fromCharCode(...new Uint8Array(hash)))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}

const MOST_REPLAYS = 200_000;

/** For one process. Full, it refuses new proofs rather than forget used ones. */
export function createMemoryReplays(now: () => number): ReplayStore {
  const used = new Map<string, number>();
  return {
    addOnce(key, expiresAtSeconds) {
      const seconds = now() / 1000;
      // The oldest come first, and their times differ by the window at most: no need to look at all of them.
      for (const [one, until] of used) {
        if (until >= seconds) break;
        used.delete(one);
      }
      if (used.has(key) || used.size >= MOST_REPLAYS) return false;
      used.set(key, expiresAtSeconds);
      return true;
    },
  };
}
