// What verify tells: the verdict in the shape that callers get, and the question in the shape that is decided.
import type { BudgetState } from '../budgets/budgets.ts';
import { amountsOf } from '../budgets/schema.ts';
import { normalizeAddress } from '../lib/ip.ts';
import type { KeyLimitVerdict } from '../platform/limits/key-limits.ts';
import { errors } from '../vocabulary/errors.ts';
import type { VerifyBody, VerifyView } from './schema.ts';
import type { Question, Verdict } from './verify.ts';

export function questionOf(body: VerifyBody): Question {
  const { credential, permissions, api, request, constraints, meters, reservationSeconds, checksProof } =
    body;
  const { address, method, path, userAgent } = request;
  return {
    credential,
    permissions,
    api,
    tokensNeedApi: false,
    address: address === undefined ? null : (normalizeAddress(address) ?? null),
    uri: path ?? null,
    userAgent: userAgent ?? null,
    values: {
      ...(path === undefined ? {} : { endpoint: path.split('?', 1)[0] ?? path }),
      ...(method === undefined ? {} : { method }),
      ...constraints,
    },
    amounts: amountsOf(meters),
    reservationSeconds,
    proves: () => checksProof,
  };
}

export function verifyView(verdict: Verdict): VerifyView {
  const counted = { limits: verdict.limits.map(limitView), budgets: verdict.budgets.map(budgetView) };
  const { identity } = verdict;
  if (!verdict.allowed) {
    const { code, keyId, details } = verdict;
    const { status, sentence } = errors[code];
    const subject = identity?.subject ?? null;
    return { ...told(details), active: false, code, reason: sentence, status, subject, keyId, ...counted };
  }
  const { chain, owner, permissions: _, tokenId: __, constraints: ___, ...known } = verdict.identity;
  return {
    active: true,
    code: 'ok',
    ...known,
    keyId: chain[0]?.id ?? null,
    owner,
    claims: { ...known.claims },
    scope: verdict.granted.texts.join(' '),
    reservationId: verdict.reservationId,
    ...counted,
  };
}

/** `limit`, `usage` and the like of what was exceeded stand in `limits` and `budgets`. */
function told({ permission, constraint, retryAfterSeconds }: Readonly<Record<string, string | number>>) {
  return {
    ...(permission === undefined ? {} : { permission: String(permission) }),
    ...(constraint === undefined ? {} : { constraint: String(constraint) }),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds: Number(retryAfterSeconds) }),
  };
}

function limitView({ limit, per, remaining, resetSeconds }: KeyLimitVerdict) {
  return { limit, window: per, remaining, resetSeconds };
}

function budgetView({ budgetId, meter, window, used, reserved, limit, remaining, resetAt }: BudgetState) {
  return {
    budgetId,
    meter,
    window,
    usage: Number(used),
    reserved: Number(reserved),
    limit: limit === null ? null : Number(limit),
    remaining: remaining === null ? null : Number(remaining),
    resetAt,
  };
}
