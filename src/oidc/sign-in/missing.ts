// What an authorization request still lacks of a sign-in, found out once per request, for all of its prompts.
import { errors, type KoaContextWithOIDC } from 'oidc-provider';
import { type Assurance, isUnmeetable, type Missing } from '../../assurance/assurance.ts';
import { idleSecondsOf } from '../adapter/sessions.ts';
import type { ClientSource } from '../client-source.ts';
import { askIn } from './asked-strength.ts';
import { provedBy, type SigningIn, underWayIn } from './under-way.ts';

export interface Standing {
  /** A sign-in under way, for which no session stands yet. */
  readonly underWay: SigningIn | undefined;
  /** Of the one under way, or else of the session; undefined also when nobody is signed in. */
  readonly missing: Missing | undefined;
}

export interface Standings {
  of(ctx: KoaContextWithOIDC): Promise<Standing>;
}

export function createStandings(deps: {
  assurance: Pick<Assurance, 'missing'>;
  clientSource: Pick<ClientSource, 'registered'>;
}): Standings {
  const known = new WeakMap<KoaContextWithOIDC, Promise<Standing>>();

  async function find({ oidc }: KoaContextWithOIDC): Promise<Standing> {
    const underWay = underWayIn(oidc.result);
    const signingIn = underWay ?? provedBy(oidc.session);
    if (!oidc.client) return { underWay, missing: undefined };
    const asked = askIn(oidc.params ?? {}, deps.clientSource.registered(oidc.client));
    const ask = { ...asked, idleSeconds: underWay === undefined ? idleSecondsOf(oidc.session) : 0 };
    if (isUnmeetable(ask)) throw new errors.UnmetAuthenticationRequirements('no such acr is known here');
    if (signingIn === undefined) return { underWay, missing: undefined };
    return { underWay, missing: await deps.assurance.missing(signingIn.accountId, signingIn.proofs, ask) };
  }

  return {
    of(ctx) {
      const found = known.get(ctx) ?? find(ctx);
      known.set(ctx, found);
      return found;
    },
  };
}
