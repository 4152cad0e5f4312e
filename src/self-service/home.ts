// The home page of the account area: who one is, what wants attention, and the way to everything else.
import type { Account, Accounts } from '../accounts/accounts.ts';
import type { ApiKeys } from '../api-keys/api-keys.ts';
import type { Credentials } from '../credentials/credentials.ts';
import { type AccountArea, accountPage, type Page } from '../platform/http/page.ts';
import { attentions } from './attention.ts';

export interface HomeDeps {
  area: Pick<AccountArea, 'sections'>;
  accounts: Pick<Accounts, 'find'>;
  credentials: { factors: Pick<Credentials['factors'], 'summaryOf'> };
  apiKeys: Pick<ApiKeys, 'endingSoon'>;
}

/** So long before an API key ends its owner is reminded. */
const REMINDER_DAYS = 14;

export function homePages({ accounts, credentials, apiKeys }: HomeDeps): Page[] {
  return [
    accountPage({
      method: 'GET',
      path: '/account',
      limit: 'page',
      async run({ person, t }) {
        const [account, factors, endingKeys] = await Promise.all([
          accounts.find(person.accountId),
          credentials.factors.summaryOf(person.accountId),
          apiKeys.endingSoon(person.accountId, REMINDER_DAYS),
        ]);
        // Whoever is gone in this very moment is asked to sign in by the next page.
        const facts = account && { account, factors, endingKeys };
        const due = facts === undefined ? [] : attentions.filter(({ isDue }) => isDue(facts));
        return {
          kind: 'view',
          view: 'self-service/home',
          title: 'account.home.title',
          nav: 'home',
          model: {
            name: person.name,
            called: account === undefined ? null : calledIn(account),
            attention: due.map(({ name, kind, icon, href }) => ({
              icon,
              title: t(`account.attention.${name}`),
              lines: [t(`account.attention.${name}.text`)],
              href,
              ...(kind === 'warning' && { badge: { kind: 'warn', text: t('account.attention.warning') } }),
            })),
          },
        };
      },
    }),
  ];
}

/** By what they sign in, unless that is what they are called. */
function calledIn({ name, email, username }: Account): string | null {
  const by = email ?? username;
  return by === name ? null : by;
}
