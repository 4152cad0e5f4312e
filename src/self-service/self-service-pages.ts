// The pages of the account area that belong to no other feature: the way in and out, home, apps, organizations, and
// language and appearance.
import type { Accounts } from '../accounts/accounts.ts';
import type { Interactions } from '../oidc/oidc.ts';
import type { Page } from '../platform/http/page.ts';
import type { I18n } from '../platform/i18n.ts';
import { type ActivityDeps, activityPages } from './activity.ts';
import { appearancePages } from './appearance.ts';
import { type AppsDeps, appPages } from './apps.ts';
import type { OwnArea } from './area.ts';
import { type DesignDeps, designPages } from './design.ts';
import { type HomeDeps, homePages } from './home.ts';
import { type OrganizationPageDeps, organizationPages } from './organizations.ts';
import { signInPages } from './sign-in.ts';

export interface SelfServiceDeps extends ActivityDeps, AppsDeps, DesignDeps, HomeDeps, OrganizationPageDeps {
  organizations: AppsDeps['organizations'] & OrganizationPageDeps['organizations'];
  recovery: ActivityDeps['recovery'] & HomeDeps['recovery'];
  i18n: I18n;
  issuer: string;
  area: OwnArea;
  interactions: Pick<Interactions, 'leave'>;
  accounts: Pick<Accounts, 'find' | 'change'>;
}

export function selfServicePages(deps: SelfServiceDeps): Page[] {
  return [
    ...signInPages(deps),
    ...appPages(deps),
    ...activityPages(deps),
    ...appearancePages(deps),
    ...homePages(deps),
    ...organizationPages(deps),
    ...designPages(deps),
  ];
}
