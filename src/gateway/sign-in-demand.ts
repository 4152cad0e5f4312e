// What is sensitive needs a person who signed in lately and surely enough: what a token's sign-in lacks for that (RFC 9470).
import type { Assurance } from '../assurance/assurance.ts';
import { parseId } from '../lib/ids.ts';
import { strengths } from '../lib/strength.ts';
import type { Caller, SignInDemand } from '../platform/api/route.ts';
import type { Clock } from '../platform/clock.ts';

/** As on the account pages. */
const RECENT_SECONDS = 10 * 60;

export function createSignInDemand(deps: {
  assurance: Pick<Assurance, 'isEnough' | 'requiredFor'>;
  clock: Clock;
}): (caller: Caller) => Promise<SignInDemand | undefined> {
  return async ({ accountId, signedIn }) => {
    const id = accountId === null ? undefined : parseId('acc', accountId);
    if (id === undefined || signedIn === undefined) return { maxAgeSeconds: RECENT_SECONDS };
    const isRecent = deps.clock.now().getTime() - signedIn.at.getTime() <= RECENT_SECONDS * 1000;
    const isSure = await deps.assurance.isEnough(id, signedIn.amr);
    if (isRecent && isSure) return undefined;
    const { strength } = await deps.assurance.requiredFor(id, {});
    return {
      // Any of them will do, so each that is strong enough is named.
      ...(!isSure && { acrValues: strengths.slice(strengths.indexOf(strength)) }),
      ...(!isRecent && { maxAgeSeconds: RECENT_SECONDS }),
    };
  };
}
