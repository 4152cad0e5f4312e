// One look at an account for each request that the engine answers: its prompts, and the bounds of the session it saves.
import Provider from 'oidc-provider';
import type { Assurance, Look } from '../../assurance/assurance.ts';
import { type AccountId, parseId } from '../../lib/ids.ts';

/** Nothing that the engine does in a request changes what it found. Outside of its requests each question looks anew. */
export function lookOnce(assurance: Assurance): Pick<Assurance, 'missing' | 'lifeFor'> {
  const known = new WeakMap<object, Map<AccountId, Promise<Look>>>();

  function looks(): Map<AccountId, Promise<Look>> {
    const { ctx } = Provider;
    const found = (ctx && known.get(ctx)) ?? new Map<AccountId, Promise<Look>>();
    if (ctx) known.set(ctx, found);
    return found;
  }

  return {
    async missing(accountId, proofs, ask) {
      const here = looks();
      const look = here.get(accountId) ?? assurance.look(accountId);
      here.set(accountId, look);
      return (await look).missing(proofs, ask);
    },

    async lifeFor(accountId) {
      const id = parseId('acc', accountId);
      const look = id && looks().get(id);
      return look === undefined ? assurance.lifeFor(accountId) : (await look).life;
    },
  };
}
