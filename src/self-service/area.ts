// The account area: who is signed in here, whether they proved it lately, and the way to do so and back.
import type { Account } from '../accounts/accounts.ts';
import type { Assurance } from '../assurance/assurance.ts';
import type { FactorSummary } from '../credentials/credentials.ts';
import { isRecent } from '../lib/strength.ts';
import type { Interactions } from '../oidc/oidc.ts';
import type { AccountArea, Person } from '../platform/http/page.ts';
import { sections } from './sections.ts';

export interface AccountAreaDeps {
  interactions: Pick<Interactions, 'activeHere'>;
  assurance: Pick<Assurance, 'look'>;
}

/** What was read to know that it is them; pages need not read it again. */
export interface OwnArea extends AccountArea {
  accountOf(person: Person): Account;
  factorsOf(person: Person): FactorSummary;
}

export function createAccountArea(deps: AccountAreaDeps): OwnArea {
  const read = new WeakMap<Person, { account: Account; factors: FactorSummary }>();

  function readOf(person: Person) {
    const found = read.get(person);
    if (found === undefined) throw new Error('a person of an account page comes from its area');
    return found;
  }

  return {
    accountOf: (person) => readOf(person).account,
    factorsOf: (person) => readOf(person).factors,
    sections,
    async person(ctx) {
      const active = await deps.interactions.activeHere(ctx.req, ctx.res);
      if (active === undefined) return undefined;
      const { id, account, session } = active;
      const { amr = [] } = session;
      const authenticatedAt = new Date((session.loginTs ?? 0) * 1000);
      // What the account demands may have grown since: the next authorization asks for the rest.
      const look = await deps.assurance.look(account.id);
      if (!look.isEnough(amr, authenticatedAt)) return undefined;
      const person: Person = {
        accountId: account.id,
        sessionId: id,
        authenticatedAt,
        amr,
        name: account.name ?? account.givenName ?? account.username ?? account.email ?? account.id,
        email: account.email,
        locale: account.locale,
        zone: account.zoneinfo,
        theme: account.appearance,
      };
      read.set(person, { account, factors: look.factors });
      return person;
    },
    isRecent: ({ authenticatedAt }) => isRecent(authenticatedAt, Date.now()),
    signInAt: (back, { again }) =>
      `/account/sign-in?${new URLSearchParams({ back, ...(again && { again: '1' }) })}`,
  };
}
