// The navigation of the account area, in its order. Whoever brings a page of one of these addresses is in it.
import type { AccountSection } from '../platform/http/page.ts';

export const sections: readonly AccountSection[] = [
  { name: 'home', path: '/account', icon: 'home' },
  { name: 'profile', path: '/account/profile', icon: 'person' },
  { name: 'security', path: '/account/security', icon: 'shield' },
  { name: 'sessions', path: '/account/sessions', icon: 'device' },
  { name: 'apps', path: '/account/apps', icon: 'apps' },
  { name: 'organizations', path: '/account/organizations', icon: 'people' },
  { name: 'keys', path: '/account/keys', icon: 'key' },
  { name: 'activity', path: '/account/activity', icon: 'clock' },
  { name: 'appearance', path: '/account/appearance', icon: 'palette' },
  { name: 'data', path: '/account/data', icon: 'box' },
];
