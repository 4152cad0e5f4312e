// Is this credential good for that? The checks in their order; nothing is taken from limits or budgets unless all before passed.
import type { BudgetScope, BudgetState, Budgets } from '../budgets/budgets.ts';
import { addressPrefix } from '../lib/ip.ts';
import type { PermissionSet } from '../lib/permission.ts';
import type { Organizations } from '../organizations/organizations.ts';
import type { KeyLimit, KeyLimits, KeyLimitVerdict } from '../platform/limits/key-limits.ts';
import type { Limits } from '../platform/limits/rate-limit.ts';
import { createRecognised } from '../platform/limits/recognised.ts';
import type { Usage, UsageKind } from '../usage/usage.ts';
import type { ErrorCode } from '../vocabulary/errors.ts';
import type { Checks, Wanted } from './checks.ts';
import type { Identities, Identity, Refused } from './identity.ts';
import { leakIn } from './leaks.ts';
import type { Refusals } from './refusals.ts';

export interface Question extends Wanted {
  /** A key, or an access token in either format; empty when there is none. */
  readonly credential: string;
  /** Path and query of the request that is asked about. */
  readonly uri: string | null;
  readonly userAgent: string | null;
  /** What is about to be used: reserved, to be settled afterwards. */
  readonly amounts: Readonly<Record<string, bigint>>;
  readonly reservationSeconds: number;
  /** Whether the holder of a token that is bound to a key proved to have it. */
  readonly proves: (thumbprint: string) => boolean | Promise<boolean>;
}

export interface Asker {
  readonly kind: UsageKind;
  /** It may ask about credentials of this organization alone; null: about all. */
  readonly organizationId: string | null;
}

interface Counted {
  readonly limits: readonly KeyLimitVerdict[];
  readonly budgets: readonly BudgetState[];
}

export interface Allowed extends Counted {
  readonly allowed: true;
  readonly identity: Identity;
  /** What it holds, at the API where one was named. */
  readonly granted: PermissionSet;
  readonly reservationId: string | null;
}

export interface Denied extends Counted {
  readonly allowed: false;
  readonly code: ErrorCode;
  /** Undefined when nobody stands behind it, or nobody whom the asker may know of. */
  readonly identity: Identity | undefined;
  readonly keyId: string | null;
  readonly details: Readonly<Record<string, string | number>>;
}

export type Verdict = Allowed | Denied;

export type Verify = (question: Question, asker: Asker) => Promise<Verdict>;

export interface VerifyDeps {
  identities: Identities;
  checks: Checks;
  refusals: Refusals;
  limits: Limits;
  keyLimits: KeyLimits;
  budgets: Pick<Budgets, 'hasAny' | 'reserve' | 'spend'>;
  usage: Pick<Usage, 'count'>;
  organizations: Pick<Organizations, 'membershipsOf'>;
  /** The limits of a client that is none of our keys. */
  clientLimits: (clientId: string) => Promise<readonly KeyLimit[]>;
  /** Notes when and from where a key was last used. */
  noteUse: (identity: Identity, from: { address: string | null; userAgent: string | null }) => void;
}

const NOTHING: Counted = { limits: [], budgets: [] };
const ONE_REQUEST = { requests: 1n } as const;

export function createVerify(deps: VerifyDeps): Verify {
  const { identities, checks, limits, budgets } = deps;
  const recognised = createRecognised();

  /** Guesses cost the address they come from a permit each; what was good lately does not. */
  async function refuseGuessing(address: string): Promise<Denied | undefined> {
    const verdict = await limits.take('api-credential', `address:${addressPrefix(address)}`);
    if (verdict?.allowed !== false) return undefined;
    return denied('rate_limited', { details: { retryAfterSeconds: verdict.resetSeconds } });
  }

  async function identify(question: Question, asker: Asker): Promise<Identity | Refused> {
    const found = await identities.ofCredential(question.credential, question);
    if (asker.organizationId === null) return found;
    // Of what belongs to others it is not even told that it exists; of what is dead we do not know whose it was.
    const isTheirs = !('refused' in found) && found.organizationId === asker.organizationId;
    return isTheirs ? found : { refused: 'not_recognised', keyId: null };
  }

  /** Refused whatever else comes with it: whoever sent it shall notice. */
  async function refuseLeaked({ uri, address }: Question): Promise<Denied | undefined> {
    const leak = uri === null ? undefined : leakIn(uri);
    if (leak === undefined) return undefined;
    if (leak.key === undefined) return denied('credential_in_url');
    const guessing = address === null ? undefined : await refuseGuessing(address);
    if (guessing !== undefined) return guessing;
    const found = await identities.ofKey(leak.key, { address });
    if (!('refused' in found)) return denied('credential_in_url', { identity: found });
    return denied('credential_in_url', { keyId: found.keyId });
  }

  async function decide(question: Question, asker: Asker): Promise<Verdict> {
    const leaked = await refuseLeaked(question);
    if (leaked !== undefined) return leaked;
    if (question.credential === '') return denied('authentication_required');
    const { credential, address } = question;
    const isKnown = address === null || recognised.has(credential);
    const guessing = isKnown ? undefined : await refuseGuessing(address);
    if (guessing !== undefined) return guessing;
    const identity = await identify(question, asker);
    if ('refused' in identity) {
      recognised.forget(credential);
      return denied(identity.refused, { keyId: identity.keyId });
    }
    if (!isKnown) recognised.add(credential);
    if (identity.boundTo !== null && !(await question.proves(identity.boundTo))) {
      return denied('proof_required', { identity });
    }
    const checked = checks.check(identity, question);
    if ('code' in checked) return denied(checked.code, { identity, details: checked.details ?? {} });
    return take(question, identity, checked.granted, asker);
  }

  async function take(
    question: Question,
    identity: Identity,
    granted: PermissionSet,
    asker: Asker,
  ): Promise<Verdict> {
    const taken = await takeLimits(identity);
    const last = taken.at(-1);
    if (last?.allowed === false) {
      const details = { retryAfterSeconds: last.resetSeconds, limit: last.limit, window: last.per };
      return denied('rate_limited', { identity, limits: taken, details });
    }
    const spent = await takeBudgets(question, identity, asker);
    if ('exceeded' in spent) {
      const { exceeded } = spent;
      const details = exceededDetails(exceeded);
      return denied('budget_exceeded', { identity, limits: taken, budgets: [exceeded], details });
    }
    const { reservationId, remaining } = spent;
    return { allowed: true, identity, granted, limits: taken, budgets: remaining, reservationId };
  }

  /** Its own first: who is over the own limit takes nothing from what the keys above it share. */
  async function takeLimits({ chain, clientId }: Identity): Promise<KeyLimitVerdict[]> {
    const taken: KeyLimitVerdict[] = [];
    for (const { id, rateLimits } of chain) {
      if (rateLimits.length === 0) continue;
      taken.push(...(await deps.keyLimits.take(`key:${id}`, rateLimits)));
      if (taken.at(-1)?.allowed === false) return taken;
    }
    if (chain.length > 0) return taken;
    const ofClient = await deps.clientLimits(clientId);
    if (ofClient.length > 0) taken.push(...(await deps.keyLimits.take(`client:${clientId}`, ofClient)));
    return taken;
  }

  async function takeBudgets({ amounts, reservationSeconds }: Question, identity: Identity, asker: Asker) {
    const scopes = await scopesOf(identity);
    // One request is known to be one: what else is used is known only afterwards.
    if (Object.keys(amounts).length > 0) {
      const asked = {
        scopes,
        amounts: { ...ONE_REQUEST, ...amounts },
        usedBy: { used: usedBy(identity, true), kind: asker.kind },
        heldIn: asker.organizationId,
      };
      return budgets.reserve({ ...asked, expiresInSeconds: reservationSeconds });
    }
    if (!(await budgets.hasAny(scopes))) return { reservationId: null, remaining: [] };
    const spent = await budgets.spend({ scopes, amounts: ONE_REQUEST });
    return 'exceeded' in spent ? spent : { ...spent, reservationId: null };
  }

  async function scopesOf(identity: Identity): Promise<BudgetScope[]> {
    const { chain, accountId, organizationId, clientId, tokenId, owner } = identity;
    const scopes: BudgetScope[] = chain.map(({ id }) => ({ kind: 'api-key', id }));
    if (tokenId !== null) scopes.push({ kind: 'token', id: tokenId });
    if (chain.length === 0) scopes.push({ kind: 'client', id: clientId });
    if (owner?.kind === 'client') scopes.push({ kind: 'client', id: owner.id });
    if (accountId !== null) scopes.push({ kind: 'account', id: accountId });
    if (organizationId === null) return scopes;
    scopes.push({ kind: 'organization', id: organizationId });
    if (accountId === null) return scopes;
    const memberships = await deps.organizations.membershipsOf(accountId);
    const teams =
      memberships.find((membership) => membership.organizationId === organizationId)?.teamIds ?? [];
    for (const id of teams) scopes.push({ kind: 'team', id });
    return scopes;
  }

  function noteAllowed(question: Question, { identity, reservationId }: Allowed, kind: UsageKind): void {
    const used = usedBy(identity, reservationId !== null);
    // What is reserved is counted when it is settled.
    deps.usage.count(used, kind, reservationId === null ? question.amounts : {});
    deps.noteUse(identity, question);
  }

  return async (question, asker) => {
    const verdict = await decide(question, asker);
    if (verdict.allowed) {
      noteAllowed(question, verdict, asker.kind);
      return verdict;
    }
    const { code, identity, keyId, details } = verdict;
    await deps.refusals.note(
      {
        code,
        keyId,
        tokenId: identity?.tokenId ?? null,
        clientId: identity?.clientId ?? null,
        accountId: identity?.accountId ?? null,
        details: { ...details, ...(question.api === undefined ? {} : { api: question.api }) },
      },
      asker.kind,
    );
    // The ledger knows; whoever is bound to an organization is not told of what belongs to others.
    const mayKnow = asker.organizationId === null || identity?.organizationId === asker.organizationId;
    return mayKnow ? verdict : { ...verdict, identity: undefined, keyId: null };
  };
}

/** A row for every token an hour is worth it only where its use is limited. */
function usedBy(
  { chain, clientId, accountId, organizationId, tokenId }: Identity,
  isLimited: boolean,
): Parameters<Usage['count']>[0] {
  return {
    apiKeyId: chain[0]?.id ?? null,
    clientId: chain.length === 0 ? clientId : null,
    accountId,
    organizationId,
    tokenId: isLimited ? tokenId : null,
  };
}

function denied(code: ErrorCode, known: Partial<Omit<Denied, 'allowed' | 'code'>> = {}): Denied {
  const { identity, keyId = identity?.chain[0]?.id ?? null } = known;
  return { allowed: false, code, details: {}, ...NOTHING, ...known, identity, keyId };
}

function exceededDetails({ meter, window, used, limit, resetAt }: BudgetState) {
  return {
    meter,
    window,
    usage: Number(used),
    limit: Number(limit ?? 0),
    ...(resetAt === null ? {} : { resetAt: resetAt.toISOString() }),
  };
}
