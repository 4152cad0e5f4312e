// /forward-auth: proxies ask here about each request before they pass it on.
import { hash, timingSafeEqual } from 'node:crypto';
import type { Audit } from '../audit/audit.ts';
import { amountsOf } from '../budgets/schema.ts';
import { addressRanges } from '../lib/ip.ts';
import { type PlainHandler, type PlainRequest, problemReply, type Reply } from '../platform/api/plain.ts';
import { failure } from '../platform/errors.ts';
import { toAppError } from '../platform/http/errors.ts';
import type { Log } from '../platform/telemetry/log.ts';
import { type Asked, allowedReply, deniedReply, failedReply } from './proxy-reply.ts';
import { type ProxyQuestion, readProxyRequest } from './proxy-request.ts';
import { RESERVATION_SECONDS } from './schema.ts';
import type { Verify } from './verify.ts';

export interface ForwardAuthSettings {
  readonly forwardAuthProxies: readonly string[];
  readonly forwardAuthSecret: string | undefined;
}

export interface ForwardAuthDeps {
  settings: ForwardAuthSettings;
  /** Between a client and the asking proxy there may be others of ours. */
  trustedProxies: readonly string[];
  issuer: string;
  verify: Verify;
  audit: Pick<Audit, 'refuse'>;
  log: Log;
}

const noProof = () => false;

export function createForwardAuth(deps: ForwardAuthDeps): PlainHandler {
  const { settings, issuer } = deps;
  const isTrusted = createProxyTrust(settings);
  const isOff = settings.forwardAuthProxies.length === 0 && settings.forwardAuthSecret === undefined;
  const between = addressRanges([...settings.forwardAuthProxies, ...deps.trustedProxies]);

  async function answer(question: ProxyQuestion, request: PlainRequest): Promise<Reply> {
    const { credential, permissions, proxy, uri, method, constraints } = question;
    const isOffered = credential !== undefined;
    const asked: Asked = { proxy, permissions, isOffered, issuer, requestId: request.requestId };
    try {
      if (credential === 'ambiguous') {
        throw failure('request_invalid', {
          fields: { credential: 'Send X-API-Key or Authorization, not both.' },
        });
      }
      const verdict = await deps.verify(
        {
          ...question,
          tokensNeedApi: true,
          credential: credential?.text ?? '',
          userAgent: request.headers['user-agent'] ?? null,
          values: { endpoint: pathOf(uri), method, ...constraints },
          amounts: amountsOf(question.amounts),
          reservationSeconds: RESERVATION_SECONDS,
          proves: noProof,
        },
        { kind: 'forward-auth', organizationId: null },
      );
      return verdict.allowed ? allowedReply(verdict) : deniedReply(verdict, asked);
    } catch (thrown) {
      const error = toAppError(thrown);
      if (error.status >= 500) deps.log.warn('A proxy could not be answered', { error: thrown });
      return failedReply(error, asked);
    }
  }

  return async (request) => {
    const { requestId } = request;
    if (isOff) return problemReply(failure('not_found'), requestId);
    if (!isTrusted(request)) {
      deps.audit.refuse('forward_auth', 'proxy_not_trusted');
      return problemReply(failure('proxy_not_trusted'), requestId);
    }
    try {
      return await answer(readProxyRequest(request, between), request);
    } catch (error) {
      // What stands in the address is the operator's own mistake, and whoever asked gets nothing through.
      return problemReply(toAppError(error), requestId);
    }
  };
}

function createProxyTrust({ forwardAuthProxies, forwardAuthSecret }: ForwardAuthSettings) {
  const ranges = addressRanges(forwardAuthProxies);
  const expected = forwardAuthSecret === undefined ? undefined : hash('sha256', forwardAuthSecret, 'buffer');
  return ({ peer, headers }: PlainRequest): boolean => {
    if (peer !== null && ranges.includes(peer)) return true;
    const sent = headers['x-forward-auth-secret'];
    if (expected === undefined || typeof sent !== 'string') return false;
    return timingSafeEqual(hash('sha256', sent, 'buffer'), expected);
  };
}

function pathOf(uri: string): string {
  return uri.split('?', 1)[0] ?? uri;
}
