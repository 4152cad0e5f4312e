// What is sensitive needs a person who signed in lately and surely enough: what a token's sign-in lacks for that (RFC 9470).
import type { Assurance } from '../assurance/assurance.ts';
import { parseId } from '../lib/ids.ts';
import { isRecent, RECENT_SECONDS, strengths } from '../lib/strength.ts';
import type { Caller, SignInDemand } from '../platform/api/route.ts';
import type { Clock } from '../platform/clock.ts';

export function createSignInDemand(deps: {
  assurance: Pick<Assurance, 'isEnough' | 'requiredFor'>;
  clock: Clock;
}): (caller: Caller) => Promise<SignInDemand | undefined> {
  return async ({ accountId, signedIn }) => {
    const id = accountId === null ? undefined : parseId('acc', accountId);
    if (id === undefined || signedIn === undefined) return { maxAgeSeconds: RECENT_SECONDS };
    const isFresh = isRecent(signedIn.at, deps.clock.now());
    const isSure = await deps.assurance.isEnough(id, signedIn.amr);
    if (isFresh && isSure) return undefined;
    const { strength } = await deps.assurance.requiredFor(id, {});
    return {
      // Any of them will do, so each that is strong enough is named.
      ...(!isSure && { acrValues: strengths.slice(strengths.indexOf(strength)) }),
      ...(!isFresh && { maxAgeSeconds: RECENT_SECONDS }),
    };
  };
}
