// Engine events -> ledger. What changes engine state is written with that change by the adapter; here is the rest: JWTs,
// which leave no row, refusals, and what only the protocol knows. Writes are awaited before the answer leaves.
import type { errors, KoaContextWithOIDC, Provider } from 'oidc-provider';
import type { Audit, NewEvent } from '../audit/audit.ts';
import { isDatabaseUnavailable } from '../platform/database/postgres.ts';
import { requestOf } from '../platform/http/request-id.ts';
import type { Log } from '../platform/telemetry/log.ts';
import type { Metrics } from '../platform/telemetry/metrics.ts';
import type { RefusalKind } from '../vocabulary/events.ts';

export interface EngineEvents {
  attach(provider: Provider): void;
  /** Notes an event of the request under way; it is in the ledger before the answer is sent, or the answer is an error. */
  note(ctx: object, event: NewEvent): void;
  /** Resolves when everything noted for this request is durable; rejects when it is not. */
  settled(ctx: object): Promise<void>;
  /** What made the engine answer server_error, if it did. */
  failureOf(ctx: object): unknown;
}

interface EventSource {
  on(name: string, listener: (ctx: KoaContextWithOIDC, error: EngineError) => void): unknown;
}

type EngineError = InstanceType<typeof errors.OIDCProviderError>;

const refusalKinds: Record<string, RefusalKind> = {
  'authorization.error': 'authorization',
  'grant.error': 'token',
  'userinfo.error': 'userinfo',
  'end_session.error': 'logout',
  'end_session_confirm.error': 'logout',
  'introspection.error': 'introspection',
  'revocation.error': 'revocation',
  'pushed_authorization_request.error': 'par',
  'device_authorization.error': 'device_code',
  'code_verification.error': 'device_code',
};

export function createEngineEvents(deps: {
  audit: Audit;
  log: Log;
  metrics: Pick<Metrics, 'count'>;
}): EngineEvents {
  const { audit, log, metrics } = deps;
  const pending = new WeakMap<object, Promise<void>[]>();
  const failures = new WeakMap<object, unknown>();

  const note = (ctx: object, event: NewEvent) => {
    const writing = audit.append(event);
    // The rejection is seen by `settled`; this keeps it from counting as unhandled until then.
    writing.catch(() => undefined);
    const noted = pending.get(ctx);
    if (noted) noted.push(writing);
    else pending.set(ctx, [writing]);
  };

  return {
    note,
    async settled(ctx) {
      const noted = pending.get(ctx);
      if (noted) await Promise.all(noted);
    },
    failureOf: (ctx) => failures.get(ctx),
    attach(provider) {
      for (const [name, kind] of Object.entries(refusalKinds)) {
        // The typings know each event by its literal name; these share one signature.
        (provider as EventSource).on(name, (ctx, error) => {
          requestOf(ctx).outcome = fixedWord(error.message);
          // RFC 8628 §3.5: how a device waits, every few seconds, and refused nothing.
          if (error.message === 'authorization_pending') return;
          const event = reuse(ctx, error) ?? refused(ctx, error);
          if (event) note(ctx, event);
          else
            audit.refuse(error.message === 'invalid_client' ? 'client_authentication' : kind, error.message);
          log.debug('protocol request refused', {
            route: ctx.oidc?.route,
            error: error.message,
            detail: error.error_detail,
          });
        });
      }
      provider.on('server_error', (ctx, error) => {
        failures.set(ctx, error);
        requestOf(ctx).outcome = 'server_error';
        // That PostgreSQL is away is said once, and not again by every request.
        const level = isDatabaseUnavailable(error) ? 'debug' : 'error';
        log[level]('protocol request failed', { route: ctx.oidc?.route, error });
      });
      provider.on('grant.success', (ctx) => {
        // One that the engine knows, or it would have refused.
        const grantType = String(ctx.oidc.params?.grant_type);
        metrics.count('gatehouse_tokens_issued_total', { grant_type: grantType });
      });
      provider.on('end_session.success', (ctx) => note(ctx, loggedOut(ctx)));
    },
  };
}

/** The codes of OAuth are words; whatever else an error may be called stays out of the request log. */
function fixedWord(code: string): string {
  return /^[a-z_]{1,40}$/.test(code) ? code : 'refused';
}

/** Theft signals (RFC 9700 §4.14.2, RFC 6749 §4.1.2): the engine tells them apart only by its private detail. */
function reuse(ctx: KoaContextWithOIDC, error: EngineError): NewEvent | undefined {
  const details = {
    'refresh token already used': 'refresh-token.reused',
    'authorization code already consumed': 'code.reused',
  } as const;
  const type = details[error.error_detail as keyof typeof details];
  if (!type) return undefined;
  const clientId = ctx.oidc.client?.clientId ?? null;
  const owner: unknown = ctx.state.ownerOfUsed;
  const accountId = typeof owner === 'string' ? owner : null;
  return {
    type,
    actor: { kind: 'client', id: clientId },
    outcome: 'denied',
    accountId,
    clientId,
    reason: 'reuse',
  };
}

/** Where clients authenticate; elsewhere anybody may name one. */
const provingRoutes: readonly string[] = [
  'token',
  'introspection',
  'revocation',
  'pushed_authorization_request',
  'device_authorization',
];

/** A refusal is an event of its own only when the caller proved who it is; strangers are counted, not listed. */
function refused(ctx: KoaContextWithOIDC, error: EngineError): NewEvent | undefined {
  const client = ctx.oidc?.client;
  const proved = client && client.clientAuthMethod !== 'none' && error.message !== 'invalid_client';
  if (!proved || !provingRoutes.includes(ctx.oidc.route)) return undefined;
  return {
    type: 'request.refused',
    actor: { kind: 'client', id: client.clientId },
    outcome: 'denied',
    clientId: client.clientId,
    reason: error.message,
    details: { route: ctx.oidc.route, grantType: ctx.oidc.params?.grant_type ?? null },
  };
}

function loggedOut(ctx: KoaContextWithOIDC): NewEvent {
  const accountId = ctx.oidc.session?.accountId ?? null;
  return {
    type: 'logout.completed',
    actor: { kind: accountId ? 'account' : 'anonymous', id: accountId },
    outcome: 'success',
    accountId,
    clientId: ctx.oidc.client?.clientId ?? null,
  };
}
