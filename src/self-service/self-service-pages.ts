// The pages of the account area that belong to no other feature: the way in and out, and the home page.
import type { Accounts } from '../accounts/accounts.ts';
import type { Interactions } from '../oidc/oidc.ts';
import { type AccountArea, accountPage, type Page } from '../platform/http/page.ts';
import type { I18n } from '../platform/i18n.ts';
import { appearancePages } from './appearance.ts';
import { type AppsDeps, appPages } from './apps.ts';
import { signInPages } from './sign-in.ts';

export interface SelfServiceDeps extends AppsDeps {
  i18n: I18n;
  issuer: string;
  area: AccountArea;
  interactions: Pick<Interactions, 'leave'>;
  accounts: Pick<Accounts, 'find' | 'change'>;
}

export function selfServicePages(deps: SelfServiceDeps): Page[] {
  return [
    ...signInPages(deps),
    ...appPages(deps),
    ...appearancePages(deps),
    accountPage({
      method: 'GET',
      path: '/account',
      limit: 'page',
      run: ({ person }) => ({
        kind: 'view',
        view: 'self-service/home',
        title: 'account.home.title',
        nav: 'home',
        model: { name: person.name },
      }),
    }),
  ];
}
