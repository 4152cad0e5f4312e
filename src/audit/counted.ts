// What the pipelines of platform/http refuse, put into the ledger: strangers are counted, known callers get an event.

import type { RouteDeps } from '../platform/api/mount-routes.ts';
import { AppError } from '../platform/errors.ts';
import type { Csrf } from '../platform/http/csrf.ts';
import type { Limits } from '../platform/limits/rate-limit.ts';
import type { Audit } from './audit.ts';

/** Whoever runs into a limit. */
export function countRefusedRequests(limits: Limits, audit: Pick<Audit, 'refuse'>): Limits {
  return {
    async take(name, key) {
      const verdict = await limits.take(name, key);
      if (verdict?.allowed === false) audit.refuse('rate_limit', name);
      return verdict;
    },
  };
}

/** Forms that are forged, stale or from another site. */
export function countRefusedForms(csrf: Csrf, audit: Pick<Audit, 'refuse'>): Csrf {
  return {
    ...csrf,
    check(ctx, presented, binding) {
      try {
        csrf.check(ctx, presented, binding);
      } catch (error) {
        if (error instanceof AppError) audit.refuse('form', error.code);
        throw error;
      }
    },
  };
}

/** Calls of the management API without a token that is good for them. */
export function recordRefusedCalls(audit: Pick<Audit, 'refuse' | 'append'>): RouteDeps['noteRefusal'] {
  return async ({ code, details }, caller) => {
    if (caller === undefined) {
      audit.refuse('api', code);
      return;
    }
    await audit.append({
      type: 'request.refused',
      actor: { kind: caller.kind, id: caller.id },
      outcome: 'denied',
      accountId: caller.kind === 'account' ? caller.id : null,
      clientId: caller.clientId,
      reason: code,
      details: { ...details },
    });
  };
}
