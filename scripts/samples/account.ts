// The account pages in their states.
import { logo, longName, type Sample } from './sample.ts';

const row = (icon: string, title: string, text: string, href: string) => ({
  icon,
  title,
  lines: [text],
  href,
});
const due = [
  {
    ...row(
      'warning',
      'You have no recovery codes left',
      'Make new ones and print them.',
      '/account/security',
    ),
    badge: { kind: 'warn', text: 'Important' },
  },
  row(
    'shield',
    'Protect your account with a second step',
    'A passkey keeps others out.',
    '/account/security',
  ),
];
const home = { name: 'Ada Lovelace', called: 'ada@example.com', attention: [] };

const client = {
  name: 'Harbour Notes',
  logoUri: logo,
  clientUri: 'https://notes.example',
  policyUri: 'https://notes.example/privacy',
  tosUri: null,
};
const app = {
  client,
  badge: null,
  may: {
    person: ['Know who you are when you sign in', 'See your email address'],
    services: [
      { name: 'Harbour Files', organization: null, sentences: ['Read the files you keep in Harbour'] },
      {
        name: 'Harbour Files',
        organization: 'Analytical Engines',
        sentences: ['Share your files with others'],
      },
    ],
  },
  since: '3 May 2026',
  used: '21 November 2026',
  path: '/account/apps/harbour',
};
const rows = [
  {
    app: client,
    title: client.name,
    lines: ['Since 3 May 2026, last used 21 November 2026'],
    href: '/account/apps/harbour',
  },
  {
    app: { name: longName, logoUri: null },
    title: longName,
    lines: ['Since 3 May 2026, last used 21 November 2026'],
    badge: { kind: 'plain', text: 'Belongs here' },
    href: '/account/apps/long',
  },
];

const languages = [
  { value: '', label: 'As in my browser' },
  { value: 'en', label: 'English', lang: 'en' },
  { value: 'de', label: 'Deutsch', lang: 'de' },
];
const zones = Intl.supportedValuesOf('timeZone').map((value) => ({
  value,
  label: value.replaceAll('_', ' '),
}));

const sample = (
  name: string,
  view: string,
  titleKey: string,
  nav: string,
  model: Sample['model'],
): Sample => ({
  name: `account-${name}`,
  view: `self-service/${view}`,
  titleKey,
  nav,
  model,
  ...(view.startsWith('apps/') && view !== 'apps/list' && { within: true }),
});

export const accountSamples: readonly Sample[] = [
  sample('home', 'home', 'account.home.title', 'home', home),
  sample('home-due', 'home', 'account.home.title', 'home', { ...home, name: longName, attention: due }),
  sample('review', 'review', 'account.review.title', 'security', {
    action: '/account/security/review',
    shown: 'fac_1 fac_2',
    signInHref: null,
    rows: [
      {
        icon: 'phone',
        title: longName,
        lines: ['Authenticator app', 'Added 3 May 2026 · not used yet'],
        actions: [{ label: 'Remove', hidden: longName, href: '/account/security/factors/fac_1/remove' }],
      },
      {
        icon: 'key',
        title: 'Recovery codes',
        lines: ['They were made in that time. Whoever made them may still have a copy.'],
        actions: [{ label: 'Make new ones', href: '/account/security/recovery-codes' }],
      },
    ],
  }),
  sample('apps', 'apps/list', 'account.apps.title', 'apps', { apps: rows }),
  sample('apps-none', 'apps/list', 'account.apps.title', 'apps', { apps: [] }),
  sample('app', 'apps/app', 'account.apps.title', 'apps', app),
  sample('app-plain', 'apps/app', 'account.apps.title', 'apps', {
    ...app,
    client: { ...client, name: longName, logoUri: null, clientUri: null, policyUri: null },
    badge: { kind: 'warn', text: 'Switched off' },
    may: { person: [], services: [] },
  }),
  sample('app-remove', 'apps/remove', 'account.apps.remove.title', 'apps', app),
  sample('appearance', 'appearance', 'account.appearance.title', 'appearance', {
    action: '/account/appearance',
    language: 'de',
    languages,
    zone: 'Europe/Vienna',
    zones: [{ value: '', label: 'Universal time (UTC)' }, ...zones],
    appearance: 'system',
    appearances: [
      { value: 'system', label: 'As on my device', hint: 'Light or dark, as you have set there' },
      { value: 'light', label: 'Light', hint: 'Dark text on a light page' },
      { value: 'dark', label: 'Dark', hint: 'Light text on a dark page' },
      { value: 'contrast', label: 'High contrast', hint: 'Stronger colours and lines' },
    ],
  }),
];
