// The prompts of a sign-in: the engine's own for the first proof, made to wait while one is under way, and those for what
// is missing after it. Which one is asked is up to the one policy (src/assurance).
import { interactionPolicy, type KoaContextWithOIDC } from 'oidc-provider';
import { obstacleNames } from '../../assurance/assurance.ts';
import type { Standing, Standings } from './missing.ts';
import { isSignedInAnew } from './under-way.ts';

const { Check, Prompt } = interactionPolicy;

type Prompts = interactionPolicy.Prompt;

/** Asked after login, in this order; each is one row of interaction/steps.ts. */
const steps = ['second_factor', 'enrol_factor', ...obstacleNames];

export function signInPrompts(standings: Standings): Prompts[] {
  return steps.map(
    (name) =>
      new Prompt(
        { name },
        whenMissing(name, standings, { byRequest: true }),
        whenMissing(name, standings, { byRequest: false }),
      ),
  );
}

/**
 * A sign-in under way is nobody's session: what the engine's checks would ask of it is asked when it is complete. Those of
 * `acr` it would ask for ever, as nothing that is proved at login is any of them by name; the policy asks in their place.
 */
export function continueSignIn(login: Prompts, standings: Standings): void {
  for (const name of ['essential_acrs', 'essential_acr']) login.checks.remove(name);
  for (const check of login.checks) {
    const asks = check.check;
    check.check = async (ctx) => (await standings.of(ctx)).underWay === undefined && asks(ctx);
  }
  const ofAge = login.checks.get('max_age');
  if (ofAge) ofAge.check = async (ctx) => (await standings.of(ctx)).underWay === undefined && isTooOld(ctx);
  login.checks.add(whenMissing('login', standings, { byRequest: true }));
  login.checks.add(whenMissing('login', standings, { byRequest: false }));
  // What was missing is there meanwhile, by another way than through its page: nothing falls through to a session that
  // stands for somebody else, or for less.
  login.checks.add(
    new Check('sign_in_unfinished', 'End-User authentication is required', 'login_required', async (ctx) => {
      const { underWay, missing } = await standings.of(ctx);
      return underWay !== undefined && missing === undefined;
    }),
  );
}

/** Not the time of whatever login the result has: one factor that was added to an old session makes it no younger. */
function isTooOld({ oidc }: KoaContextWithOIDC): boolean {
  const maxAge = oidc.params?.max_age;
  if (maxAge === undefined || isSignedInAnew(oidc.result)) return false;
  return !oidc.session?.accountId || oidc.session.past(Number(maxAge));
}

/** `byRequest`: the request itself wants it so, and is told in its own words when nobody may be asked. */
function whenMissing(name: string, standings: Standings, { byRequest }: { byRequest: boolean }) {
  const ofOthers = name === 'login' ? 'login_required' : 'interaction_required';
  return new Check(
    byRequest ? `${name}_for_acr` : `${name}_missing`,
    'End-User authentication is not as strong as required',
    byRequest ? 'unmet_authentication_requirements' : ofOthers,
    async (ctx) => {
      const { missing } = await standings.of(ctx);
      return missing?.prompt === name && isByRequest(missing) === byRequest;
    },
  );
}

function isByRequest(missing: NonNullable<Standing['missing']>): boolean {
  return 'required' in missing && missing.required.reasons.includes('request');
}
