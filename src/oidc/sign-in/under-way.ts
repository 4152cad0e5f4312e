// A sign-in under way: whose it is and what was proved so far. It lives in the result of the interaction and nowhere else,
// so that no session, and with it no token, comes of it before nothing is missing any more.
import type { Provider } from 'oidc-provider';
import { type AccountId, parseId } from '../../lib/ids.ts';
import { type Proof, proofsIn } from '../../lib/strength.ts';

export interface SigningIn {
  readonly accountId: AccountId;
  readonly proofs: readonly Proof[];
  /** Begun in this request, and not by adding to what a session had proved before. */
  readonly isAnew: boolean;
  /** This browser is to be remembered when all is proved. */
  readonly remember: boolean;
}

const UNDER_WAY = 'proved';
const ANEW = 'signed_in_anew';

type Session = Pick<InstanceType<Provider['Session']>, 'accountId' | 'amr' | 'loginTs'>;

/** Written by `asResult` alone: results are no input of anybody outside. */
export function underWayIn(result: object | undefined): SigningIn | undefined {
  const found: unknown = result && Reflect.get(result, UNDER_WAY);
  return isSigningIn(found) ? found : undefined;
}

function isSigningIn(value: unknown): value is SigningIn {
  return typeof value === 'object' && value !== null && 'accountId' in value && 'proofs' in value;
}

export function asResult(signingIn: SigningIn): Record<string, unknown> {
  return { [UNDER_WAY]: signingIn };
}

/** What only a sign-in that is complete and began in this request adds to its result. */
export function anewMark(isAnew: boolean): Record<string, unknown> {
  return isAnew ? { [ANEW]: true } : {};
}

export function isSignedInAnew(result: object | undefined): boolean {
  return result !== undefined && Reflect.get(result, ANEW) === true;
}

export function withoutUnderWay(result: object | undefined): Record<string, unknown> {
  const parts = Object.entries(result ?? {});
  return Object.fromEntries(parts.filter(([name]) => name !== UNDER_WAY));
}

/** What a session stands for, to be added to. */
export function provedBy(session: Session | undefined): SigningIn | undefined {
  const accountId = session?.accountId ? parseId('acc', session.accountId) : undefined;
  if (session === undefined || accountId === undefined) return undefined;
  const proofs = proofsIn(session.amr ?? [], (session.loginTs ?? 0) * 1000);
  return { accountId, proofs, isAnew: false, remember: false };
}

/** Each method counts once; the earlier time stays, the better proof goes. */
export function withProof(proofs: readonly Proof[], added: Proof): Proof[] {
  const before = proofs.find(({ method }) => method === added.method);
  if (before === undefined) return [...proofs, added];
  const userVerified = before.userVerified === true || added.userVerified === true;
  const both = { ...added, at: Math.min(before.at, added.at), ...(userVerified && { userVerified }) };
  return proofs.map((proof) => (proof === before ? both : proof));
}

export function beganAt(proofs: readonly Proof[]): number {
  return Math.min(...proofs.map(({ at }) => at));
}
