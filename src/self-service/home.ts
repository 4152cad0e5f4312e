// The home page of the account area: who one is, what wants attention, and the way to everything else.
import type { Account } from '../accounts/accounts.ts';
import type { ApiKeys } from '../api-keys/api-keys.ts';
import { accountPage, type Page } from '../platform/http/page.ts';
import type { Recovery } from '../recovery/recovery.ts';
import type { OwnArea } from './area.ts';
import { attentions } from './attention.ts';

export interface HomeDeps {
  area: Pick<OwnArea, 'accountOf' | 'factorsOf'>;
  apiKeys: Pick<ApiKeys, 'endingSoon'>;
  recovery: { review: Pick<Recovery['review'], 'isDue'> };
}

/** So long before an API key ends its owner is reminded. */
const REMINDER_DAYS = 14;

export function homePages({ area, apiKeys, recovery }: HomeDeps): Page[] {
  return [
    accountPage({
      method: 'GET',
      path: '/account',
      limit: 'page',
      async run({ person, t }) {
        const account = area.accountOf(person);
        const factors = area.factorsOf(person);
        const [endingKeys, review] = await Promise.all([
          apiKeys.endingSoon(person.accountId, REMINDER_DAYS),
          recovery.review.isDue(person.accountId),
        ]);
        const due = attentions.filter(({ isDue }) => isDue({ account, factors, endingKeys, review }));
        return {
          kind: 'view',
          view: 'self-service/home',
          title: 'account.home.title',
          nav: 'home',
          model: {
            name: person.name,
            called: calledIn(account),
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
