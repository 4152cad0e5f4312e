// The one policy: how sure a sign-in must be, for whom and for what, and what it still lacks. Pure.

import type { FactorKind, FactorSummary } from '../credentials/schema.ts';
import { leastSeconds } from '../lib/session-life.ts';
import {
  isAtLeast,
  isMoreThanMailbox,
  isRecent,
  isStrength,
  type Method,
  type Proof,
  type Strength,
  strengthOf,
  strengths,
  strongest,
} from '../lib/strength.ts';
import type { AccountFacts, Ask, Missing, ObstacleName, Reason, Requirement } from './schema.ts';

export interface PolicySettings {
  /** Of every sign-in on this server. */
  readonly strength: Strength;
  /** A remembered browser may stand for the second factor of an administrator, too. */
  readonly rememberedDeviceForAdmins: boolean;
  /** What people may set up, the one to be offered first first. */
  readonly enrollable: readonly FactorKind[];
}

export function requirementOf(facts: AccountFacts, ask: Ask, settings: PolicySettings): Requirement {
  const wants: readonly [Reason, Strength | undefined][] = [
    ['server', settings.strength],
    ['factors', facts.factors.kinds.length > 0 ? '2sv' : undefined],
    ['admin', facts.admin ? 'mfa' : undefined],
    ...facts.roles.map((one): [Reason, Strength] => ['role', one]),
    ...facts.organizations.map((one): [Reason, Strength] => ['organization', one]),
    ['client', ask.client?.requiredAcr ?? undefined],
    ['request', leastOf(ask.acrValues)],
    ['request', leastOf(ask.essentialAcr)],
  ];
  const strength = most(wants);
  const withoutAdmin = most(wants.filter(([reason]) => reason !== 'admin'));
  const reasons = wants.filter(([, wanted]) => wanted === strength).map(([reason]) => reason);
  return {
    strength,
    rememberedDeviceServes:
      strength === '2sv' || (settings.rememberedDeviceForAdmins && withoutAdmin === '2sv'),
    mailCodeServes: strength === '2sv' && !facts.passwordSetByMail,
    reasons: strength === '1fa' ? [] : [...new Set(reasons)],
  };
}

function most(wants: readonly [Reason, Strength | undefined][]): Strength {
  return strongest(wants.flatMap(([, wanted]) => wanted ?? []));
}

/** Any one of the list will do: the one that asks least. */
function leastOf(values: readonly string[] | undefined): Strength | undefined {
  return strengths.find((strength) => values?.includes(strength));
}

/** Whether an essential claim names only what nobody here can be (OpenID Connect Core §5.5.1.1). */
export function isUnmeetable(ask: Ask): boolean {
  return ask.essentialAcr !== undefined && !ask.essentialAcr.some(isStrength);
}

/**
 * The word for this strength: the best of those that were asked for and that it satisfies, or else its own. An essential
 * claim must be answered with one of its values (§5.5.1.1), and whoever asked by `acr_values` compares words, too.
 */
export function toldFor(strength: Strength, { essentialAcr, acrValues }: Ask): Strength {
  const words = essentialAcr ?? acrValues ?? [];
  return strengths.findLast((one) => words.includes(one) && isAtLeast(strength, one)) ?? strength;
}

export function isMet(proofs: readonly Proof[], required: Requirement): boolean {
  const strength = strengthOf(proofs);
  if (isAtLeast(strength, required.strength)) return true;
  const isRemembered = proofs.some(({ method }) => method === 'remembered-device');
  return required.rememberedDeviceServes && isRemembered && isAtLeast(strength, '2sv');
}

/**
 * What was proved too long ago, by what the account or this client allows, proves nothing any more. Nor does a session that
 * was left alone too long for this client: at others it goes on.
 */
export function youngEnough(
  proofs: readonly Proof[],
  facts: Pick<AccountFacts, 'life'>,
  ask: Ask,
  now: Date,
): readonly Proof[] {
  const idleMost = ask.client?.sessionIdleSeconds ?? null;
  if (idleMost !== null && (ask.idleSeconds ?? 0) >= idleMost) return [];
  const bounds = [facts.life.sessionAbsoluteSeconds, ask.client?.sessionAbsoluteSeconds ?? null];
  const most = leastSeconds(bounds);
  return most === null ? proofs : proofs.filter(({ at }) => now.getTime() - at < most * 1000);
}

/** Of strength only; obstacles come after it. */
export function missingProof(
  facts: AccountFacts,
  proofs: readonly Proof[],
  required: Requirement,
  { enrollable }: Pick<PolicySettings, 'enrollable'>,
  now: Date,
): Exclude<Missing, { prompt: ObstacleName }> | undefined {
  if (strengthOf(proofs) === undefined) return { prompt: 'login', required };
  if (isMet(proofs, required)) return undefined;
  const methods = methodsThatHelp(facts, proofs, required);
  if (methods.length > 0) return { prompt: 'second_factor', required, methods };
  const offered = maySetUp(facts, proofs, now) ? enrollable.filter((kind) => mayBeOffered(kind, facts)) : [];
  const kinds = kindsThatHelp(offered, proofs, required);
  return kinds.length > 0 ? { prompt: 'enrol_factor', required, kinds } : { prompt: 'login', required };
}

/**
 * With those that are enough; where none is, with those that prove at least something more: whoever has a factor shows
 * it before another one is set up beside it.
 */
function methodsThatHelp(facts: AccountFacts, proofs: readonly Proof[], required: Requirement): Method[] {
  const usable = methodsOf(facts.factors).filter(
    ({ method }) =>
      !proofs.some((proof) => proof.method === method) &&
      (method !== 'mail-code' || mailProves(facts, proofs)),
  );
  const withIt = (added: Added) => strengthOf([...proofs, added]);
  const enough = usable.filter((added) => isAtLeast(withIt(added), required.strength));
  const more = usable.filter((added) => !isAtLeast(strengthOf(proofs), withIt(added) ?? '1fa'));
  return [...new Set((enough.length > 0 ? enough : more).map(({ method }) => method))];
}

/** Whoever reads the mailbox has shown that already; of administrators the door takes none. */
function mailProves(facts: AccountFacts, proofs: readonly Proof[]): boolean {
  return !facts.admin && !facts.passwordSetByMail && !proofs.some(({ method }) => method === 'mail-code');
}

type Added = Pick<Proof, 'method' | 'userVerified'>;

/** The best one first. */
function methodsOf({ usable: kinds, recoveryCodesLeft, verifiedPasskey }: FactorSummary): Added[] {
  return [
    ...(kinds.includes('passkey') ? [{ method: 'passkey' as const, userVerified: verifiedPasskey }] : []),
    ...(kinds.includes('totp') ? [{ method: 'totp' as const }] : []),
    ...(kinds.includes('sms') ? [{ method: 'sms-code' as const }] : []),
    ...(kinds.includes('mail') ? [{ method: 'mail-code' as const }] : []),
    ...(recoveryCodesLeft > 0 ? [{ method: 'recovery-code' as const }] : []),
  ];
}

const METHOD_OF: Readonly<Record<FactorKind, Method>> = {
  totp: 'totp',
  passkey: 'passkey',
  sms: 'sms-code',
  mail: 'mail-code',
};

/**
 * A mailbox alone sets up nothing. Nor does whoever has a factor already and has not shown it, be it one that too many wrong codes have disabled; nor whoever finds a browser open (OWASP ASVS
 * 7.5.1).
 */
function maySetUp({ factors }: AccountFacts, proofs: readonly Proof[], now: Date): boolean {
  if (!proofs.some(({ at }) => isRecent(at, now))) return false;
  const has = (...methods: readonly Method[]) => proofs.some(({ method }) => methods.includes(method));
  if (!isMoreThanMailbox(proofs)) return false;
  return (
    has('passkey') || factors.kinds.length === 0 || has('totp', 'sms-code', 'mail-code', 'recovery-code')
  );
}

/** Text messages are what is taken over most easily (NIST SP 800-63B §3.2.9): no administrator is led to them. */
function mayBeOffered(kind: FactorKind, { admin }: AccountFacts): boolean {
  return !(kind === 'sms' && admin);
}

function kindsThatHelp(
  enrollable: readonly FactorKind[],
  proofs: readonly Proof[],
  required: Requirement,
): FactorKind[] {
  return enrollable.filter((kind) => {
    const added = { method: METHOD_OF[kind], userVerified: kind === 'passkey' };
    return (
      (kind !== 'mail' || required.mailCodeServes) &&
      isAtLeast(strengthOf([...proofs, added]), required.strength)
    );
  });
}
