// How often tokens are asked for: every address has one limit, and a client or key that brings its own has that instead.
import { decodeJwt } from 'jose';
import type { Context } from 'koa';
import type { Audit } from '../../audit/audit.ts';
import type { Client, Clients } from '../../clients/clients.ts';
import { takeFromLimit } from '../../platform/http/limit.ts';
import { requestOf } from '../../platform/http/request-id.ts';
import type { KeyLimits } from '../../platform/limits/key-limits.ts';
import type { Limits } from '../../platform/limits/rate-limit.ts';
import { createRecognised } from '../../platform/limits/recognised.ts';
import type { Presented } from './credentials.ts';
import { type Fields, only } from './form.ts';
import { type Refusal, usedUp } from './reply.ts';

/** Who says to be asking, and what it is recognised by once it has proved it. */
interface Claimed {
  readonly clientId: string;
  readonly credential: string;
}

export interface Admission {
  /** Its own limit is used up. */
  readonly refused?: { readonly clientId: string; readonly refusal: Refusal } | undefined;
  /** Of who proves itself later than this: whether it did, and brings limits of its own. */
  settle(hasLimits: boolean): Promise<void>;
}

export interface TokenLimits {
  /** Guesses cost their address: throws rate_limited, unless this was good lately and brings limits of its own. */
  admit(ctx: Context, presented: Presented, fields: Fields): Promise<Admission>;
  /** For what is no request for a token. */
  admitStranger(ctx: Context): Promise<void>;
}

export interface TokenLimitDeps {
  limits: Limits;
  keyLimits: KeyLimits;
  clients: Pick<Clients, 'known' | 'secretMatches'>;
  audit: Pick<Audit, 'refuse'>;
}

export function createTokenLimits({ limits, keyLimits, clients, audit }: TokenLimitDeps): TokenLimits {
  const recognised = createRecognised();

  function keep({ credential }: Claimed, hasLimits: boolean): void {
    if (hasLimits) recognised.add(credential);
    else recognised.forget(credential);
  }

  async function take({ id, rateLimits }: Client): Promise<Admission['refused']> {
    const verdict = (await keyLimits.take(`client:${id}`, rateLimits)).at(-1);
    if (verdict?.allowed !== false) return undefined;
    audit.refuse('rate_limit', 'client');
    return { clientId: id, refusal: usedUp('client', verdict.resetSeconds) };
  }

  async function ofSecret(claimed: Claimed, secret: string): Promise<Admission['refused']> {
    const client = (await clients.known(claimed.clientId))?.client;
    const hasLimits = client !== undefined && client.rateLimits.length > 0;
    const isProved = hasLimits && (await clients.secretMatches(client.id, secret));
    keep(claimed, isProved);
    return isProved ? take(client) : undefined;
  }

  const admitStranger = (ctx: Context) => takeFromLimit(ctx, limits, 'token');

  return {
    admitStranger,

    async admit(ctx, presented, fields) {
      const claimed = claimedBy(ctx, fields, presented);
      const wasGood = claimed !== undefined && recognised.has(claimed.credential);
      if (!wasGood) await admitStranger(ctx);
      if (claimed === undefined) return { settle: nothing };
      if (presented.by === 'secret') {
        return { refused: await ofSecret(claimed, presented.secret), settle: nothing };
      }
      if (presented.by === 'key') return { settle: async (hasLimits) => keep(claimed, hasLimits) };
      const client = (await clients.known(claimed.clientId))?.client;
      return {
        refused: wasGood && client ? await take(client) : undefined,
        async settle(hasLimits) {
          keep(claimed, hasLimits);
          // The first one is counted when it is known whose it is.
          if (hasLimits && !wasGood && client) await take(client);
        },
      };
    },
  };
}

const nothing = async () => undefined;

/** undefined for who proves nothing, or in another way. */
function claimedBy(ctx: Context, fields: Fields, presented: Presented): Claimed | undefined {
  if (presented.by === 'key') return { clientId: presented.named ?? '', credential: presented.key };
  if (presented.by === 'secret') {
    const { clientId, secret } = presented;
    return { clientId, credential: `${clientId} ${secret}` };
  }
  const assertion = only(fields.client_assertion);
  const clientId = assertion && (only(fields.client_id) ?? subjectOf(assertion));
  // No two assertions are the same: one that was good vouches for the next from its address, until one is not.
  return clientId ? { clientId, credential: `${clientId} at ${requestOf(ctx).address}` } : undefined;
}

function subjectOf(assertion: string): string | undefined {
  try {
    return decodeJwt(assertion).sub;
  } catch {
    return undefined;
  }
}
