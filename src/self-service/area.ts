// The account area: who is signed in here, whether they proved it lately, and the way to do so and back.
import type { Assurance } from '../assurance/assurance.ts';
import { isRecent } from '../lib/strength.ts';
import type { Interactions } from '../oidc/oidc.ts';
import type { AccountArea } from '../platform/http/page.ts';
import { sections } from './sections.ts';

export interface AccountAreaDeps {
  interactions: Pick<Interactions, 'activeHere'>;
  assurance: Pick<Assurance, 'isEnough'>;
}

export function createAccountArea(deps: AccountAreaDeps): AccountArea {
  return {
    sections,
    async person(ctx) {
      const active = await deps.interactions.activeHere(ctx.req, ctx.res);
      if (active === undefined) return undefined;
      const { id, account, session } = active;
      const { amr = [] } = session;
      const authenticatedAt = new Date((session.loginTs ?? 0) * 1000);
      // What the account demands may have grown since: the next authorization asks for the rest.
      if (!(await deps.assurance.isEnough(account.id, amr, authenticatedAt))) return undefined;
      return {
        accountId: account.id,
        sessionId: id,
        authenticatedAt,
        amr,
        name: account.name ?? account.username ?? account.email ?? account.id,
        email: account.email,
        locale: account.locale,
        zone: account.zoneinfo,
        theme: account.appearance,
      };
    },
    isRecent: ({ authenticatedAt }) => isRecent(authenticatedAt, Date.now()),
    signInAt: (back, { again }) =>
      `/account/sign-in?${new URLSearchParams({ back, ...(again && { again: '1' }) })}`,
  };
}
