// One more proof of a sign-in, or one obstacle less: whether that completes it, and if not, what is kept of it.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Assurance, Look } from '../../assurance/assurance.ts';
import type { Client } from '../../clients/clients.ts';
import type { Devices, Passwords } from '../../credentials/credentials.ts';
import { type AccountId, parseId } from '../../lib/ids.ts';
import { type Proof, strengthOf } from '../../lib/strength.ts';
import type { Cutoffs } from '../cutoffs.ts';
import { askIn } from './asked-strength.ts';
import { type SigningIn, withProof } from './under-way.ts';

/** A browser may be remembered in place of a second step; and where somebody signed in is noted. */
export type KnownBrowsers = Pick<Devices, 'cookie' | 'isRemembered' | 'recognise' | 'remember'>;

export interface Proved {
  readonly kind: 'proved';
  readonly accountId: string;
  readonly proof: Proof;
  /** It was asked of anybody, as the first of a sign-in: what was proved before is not added to. */
  readonly alone?: true;
  /** This browser is to be spared the second step from now on. */
  readonly remember?: boolean;
}

/** A new password was set in the course of this very sign-in. */
export interface Renewed {
  readonly kind: 'renewed';
  /** As it was looked at before. */
  readonly signingIn: SigningIn;
  readonly at: number;
}

export interface Situation {
  readonly request: IncomingMessage;
  /** The prompt that was answered. */
  readonly prompt: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly client: Client;
  /** The sign-in under way, or else what the session stands for. */
  readonly before: SigningIn | undefined;
}

export type Progress =
  | { readonly kind: 'complete' | 'under_way'; readonly signingIn: SigningIn }
  /** It was proved before a new password was set or the account was suspended. */
  | { readonly kind: 'worthless' };

export interface FinishingDeps {
  assurance: Pick<Assurance, 'look'>;
  cutoffs: Pick<Cutoffs, 'ofAccount'>;
  passwords: Pick<Passwords, 'setAt'>;
  devices: KnownBrowsers;
}

const factorPrompts = ['second_factor', 'enrol_factor'];

export async function afterProof(
  proved: Proved,
  situation: Situation,
  deps: FinishingDeps,
): Promise<Progress> {
  const { proof, remember } = proved;
  const accountId = parseId('acc', proved.accountId);
  if (accountId === undefined) return { kind: 'worthless' };
  const base = baseOf(proved, situation);
  const signingIn = {
    accountId,
    proofs: withProof(base?.proofs ?? [], proof),
    isAnew: base?.isAnew ?? true,
    remember: (base?.remember ?? false) || remember === true,
  };
  const look = await deps.assurance.look(accountId);
  const remembered = await withRememberedBrowser(signingIn, look, situation, deps);
  // As late as can be: what was ended meanwhile stays ended.
  const ends = await endsOf(accountId, deps);
  if (!counts(proof, ends)) return { kind: 'worthless' };
  return progressOf(remembered, situation, { look, ends });
}

/** What is no proof, such as new terms: asked of whoever is on the way, or of a session, which it changes nothing about. */
export const afterObstacle = onward;

/**
 * A new password ends what was open and under way; this sign-in is the one in which it was set, and what was proved in it
 * counts from then on.
 */
export function afterRenewal(
  { signingIn, at }: Renewed,
  situation: Situation,
  deps: FinishingDeps,
): Promise<Progress> {
  const proofs = signingIn.proofs.map((proof) => ({ ...proof, at: Math.max(proof.at, at) }));
  return onward({ ...signingIn, proofs }, situation, deps);
}

/**
 * A factor is added to what the same account has proved before; everything else begins anew, so that no time and no proof
 * of an earlier sign-in, or of somebody else, gets into it.
 */
function baseOf({ accountId, proof, alone }: Proved, { prompt, before }: Situation): SigningIn | undefined {
  const adds = factorPrompts.includes(prompt) && proof.method !== 'password' && alone !== true;
  return adds && before?.accountId === accountId ? before : undefined;
}

async function onward(signingIn: SigningIn, situation: Situation, deps: FinishingDeps): Promise<Progress> {
  const { accountId } = signingIn;
  const look = await deps.assurance.look(accountId);
  return progressOf(signingIn, situation, { look, ends: await endsOf(accountId, deps) });
}

async function progressOf(
  signingIn: SigningIn,
  { params, client }: Situation,
  { look, ends }: { look: Look; ends: Ends },
): Promise<Progress> {
  const { isAnew } = signingIn;
  // A session that is there has outlived whatever ended others.
  const proofs = isAnew ? signingIn.proofs.filter((proof) => counts(proof, ends)) : signingIn.proofs;
  const missing = await look.missing(proofs, askIn(params, client));
  if (missing !== undefined) return { kind: 'under_way', signingIn: { ...signingIn, proofs } };
  const dated = isAnew ? inTheirSecond(proofs, ends) : proofs;
  return { kind: 'complete', signingIn: { ...signingIn, proofs: dated } };
}

/** In milliseconds: when all of an account was ended, and when its password was set. */
interface Ends {
  readonly account: number;
  readonly password: number;
}

async function endsOf(
  accountId: AccountId,
  { cutoffs, passwords }: Pick<FinishingDeps, 'cutoffs' | 'passwords'>,
): Promise<Ends> {
  const [ended, set] = await Promise.all([cutoffs.ofAccount(accountId), passwords.setAt(accountId)]);
  return { account: ended?.getTime() ?? 0, password: set?.getTime() ?? 0 };
}

/**
 * Not what was proved before all of the account was ended, nor a password that is no more: whoever knew it and has got no
 * further is out, also when its owner kept what was open. In a session that was kept it goes on counting.
 */
function counts({ method, at }: Proof, ends: Ends): boolean {
  return at >= (method === 'password' ? Math.max(ends.account, ends.password) : ends.account);
}

/** What counts still of a sign-in that is looked at again. */
export async function stillCounting(
  { accountId, proofs, isAnew }: Pick<SigningIn, 'accountId' | 'proofs' | 'isAnew'>,
  deps: Pick<FinishingDeps, 'cutoffs' | 'passwords'>,
): Promise<Proof[]> {
  const ends = await endsOf(accountId, deps);
  return proofs.filter((proof) => counts(proof, isAnew ? ends : { ...ends, password: 0 }));
}

/**
 * The engine counts sign-ins in seconds, and one of the second in which a password was replaced could be either: what was
 * proved after the replacement gets the next second. Only at the end: a proof on its way keeps its own time, or it would
 * outlive a second replacement.
 */
function inTheirSecond(proofs: readonly Proof[], ends: Ends): Proof[] {
  const next = Math.ceil(ends.account / 1000) * 1000;
  return proofs.map((proof) => ({ ...proof, at: Math.max(proof.at, next) }));
}

/** Only in place of a second step: it is nothing to begin with, and where more is wanted it is asked for. */
async function withRememberedBrowser(
  signingIn: SigningIn,
  look: Pick<Look, 'required'>,
  { request, params, client }: Situation,
  { devices }: Pick<FinishingDeps, 'devices'>,
): Promise<SigningIn> {
  const { accountId, proofs } = signingIn;
  if (strengthOf(proofs) !== '1fa') return signingIn;
  const required = look.required(askIn(params, client));
  if (required.strength === '1fa' || !required.rememberedDeviceServes) return signingIn;
  if (!(await devices.isRemembered(devices.cookie.read(request), accountId))) return signingIn;
  const at = Math.max(...proofs.map((proof) => proof.at));
  return { ...signingIn, proofs: withProof(proofs, { method: 'remembered-device', at }) };
}

/** The session is there: whose browser it is, and whether it is to be spared the second step from now on. */
export async function noteBrowser(
  request: IncomingMessage,
  response: ServerResponse,
  { accountId, proofs, remember }: SigningIn,
  devices: KnownBrowsers,
): Promise<void> {
  const { deviceId } = await devices.recognise(devices.cookie.renew(request, response), accountId);
  const isProved =
    !proofs.some(({ method }) => method === 'remembered-device') && strengthOf(proofs) !== '1fa';
  if (remember && isProved) await devices.remember(accountId, deviceId, { kind: 'account', id: accountId });
}
