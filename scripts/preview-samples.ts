// Every hosted page in every state, with sample models: what the preview shows and what the tests of views/ render.

import { accountSamples } from './samples/account.ts';
import { keySamples } from './samples/keys.ts';
import { organizationSamples } from './samples/organizations.ts';
import { outboxSamples } from './samples/outbox.ts';
import { registrationSamples } from './samples/registration.ts';
import { logo, longName, type Sample } from './samples/sample.ts';
import { securitySamples } from './samples/security.ts';
import { signInSamples } from './samples/sign-in.ts';

export type { Sample } from './samples/sample.ts';

const views: Record<string, readonly [string, string | null]> = {
  login: ['interaction/login', 'login.title'],
  consent: ['interaction/consent', 'consent.title'],
  'select-account': ['interaction/select-account', 'select.title'],
  lost: ['interaction/lost', 'lost.title'],
  'device-input': ['device/input', 'device.title'],
  'device-confirm': ['device/confirm', 'device.confirm.title'],
  'device-done-denied': ['device/done', 'device.done.denied.title'],
  'device-done': ['device/done', 'device.done.title'],
  'logout-done': ['logout/done', 'logout.done.title'],
  logout: ['logout/confirm', 'logout.title'],
  error: ['errors/error', 'error.title'],
  'setup-done': ['setup/done', 'setup.done.title'],
  setup: ['setup/first-admin', 'setup.title'],
  home: ['home', null],
};

const app = {
  name: 'Harbour Notes',
  logoUri: logo,
  clientUri: 'https://notes.example',
  policyUri: 'https://notes.example/privacy',
  tosUri: 'https://notes.example/terms',
  firstParty: false,
};
const plainApp = { ...app, logoUri: null, policyUri: null, tosUri: null, clientUri: null };
const longApp = {
  ...plainApp,
  name: longName,
};
const ada = { name: 'Ada Lovelace', email: 'ada@example.com', username: 'ada' };
const noName = { name: null, email: null, username: 'a-person-with-a-remarkably-long-user-name-1815' };

const login = {
  action: '#',
  identifier: '',
  error: null,
  fieldErrors: {},
  client: app,
  retryAfterSeconds: null,
};
const loginBase = { ...login, cancelAction: '#', hint: null };
const required = { identifier: 'login.error.identifierMissing', password: 'login.error.passwordMissing' };

const logins: Sample[] = [
  page('login', loginBase),
  page('login-offers', {
    ...loginBase,
    hint: 'login.hint.stronger',
    passkey: { action: '#', options: { challenge: 'Y2hhbGxlbmdl', rpId: 'localhost' } },
    recoverHref: '/recover',
    mailCodeHref: '/code',
    signUpHref: '/sign-up',
  }),
  page('login-refused', { ...loginBase, identifier: 'ada@example.com', error: 'login.error.refused' }),
  page('login-locked', {
    ...loginBase,
    identifier: 'ada',
    error: 'login.error.locked',
    retryAfterSeconds: 240,
  }),
  page('login-busy', { ...loginBase, identifier: 'ada', error: 'login.error.busy', retryAfterSeconds: 3 }),
  page('login-empty', { ...loginBase, fieldErrors: required, error: null }),
  page('login-again', { ...loginBase, identifier: 'ada', hint: 'login.hint.reauthenticate' }),
  page('login-long', { ...loginBase, client: longApp }),
  page('login-alone', { ...loginBase, client: null, cancelAction: null }),
];

const consent = {
  action: '#',
  cancelAction: '#',
  switchAccountAction: '#',
  client: app,
  account: ada,
  redirectHost: 'notes.example',
  loopbackOnly: false,
  scopes: ['openid', 'profile', 'email', 'offline_access'].map((name) => ({
    name,
    sentenceKey: `consent.scope.${name}`,
  })),
  resources: [
    {
      name: 'Harbour Files',
      audience: 'https://files.example/api',
      permissions: [
        { name: 'files:read', sentence: 'Read the files you keep in Harbour' },
        { name: 'files:share', sentence: 'Share your files with others' },
      ],
    },
  ],
  offlineAccess: true,
  lifetimeDays: 30,
  accessTokenMinutes: 10,
};

const consents: Sample[] = [
  page('consent', consent),
  page('consent-short', {
    ...consent,
    client: { ...plainApp, firstParty: true },
    scopes: consent.scopes.slice(0, 1),
    resources: [],
    offlineAccess: false,
    switchAccountAction: null,
  }),
  page('consent-loopback', {
    ...consent,
    client: longApp,
    account: noName,
    redirectHost: '127.0.0.1:53682',
    loopbackOnly: true,
    scopes: [...consent.scopes, { name: 'files:read:a-very-long-selector/with/many/segments/in-it' }],
  }),
  page('consent-nothing', { ...consent, scopes: [], resources: [], offlineAccess: false }),
];

const selects: Sample[] = [
  page('select-account', { action: '#', cancelAction: '#', accounts: [ada], client: app }),
  page('select-account-long', {
    action: '#',
    accounts: [
      {
        value: 'one',
        ...noName,
        email: 'a-person-with-a-remarkably-long-address@department.university.example',
      },
      { value: 'two', ...ada },
    ],
    client: null,
  }),
];

const lost: Sample[] = ['expired', 'finished', 'cookies'].map((reason) =>
  page(`lost-${reason}`, { reason, clientUri: reason === 'cookies' ? null : 'https://notes.example' }),
);

const deviceErrors = ['not_found', 'no_code', 'expired', 'used', 'aborted', 'limited'];
const input = { action: '#', xsrf: 'x', userCode: null, error: null };
const confirmDevice = {
  action: '#',
  xsrf: 'x',
  userCode: 'WDJB-MJHT',
  client: app,
  device: { address: '192.0.2.17', userAgent: 'Mozilla/5.0 (SMART-TV; Linux; Tizen 8.0) AppleWebKit/537.36' },
};
const devices: Sample[] = [
  page('device-input', input),
  ...deviceErrors.map((error) => page(`device-input-${error}`, { ...input, userCode: 'WDJB-MJHX', error })),
  page('device-confirm', confirmDevice),
  page('device-confirm-long', {
    ...confirmDevice,
    client: longApp,
    device: { address: null, userAgent: null },
  }),
  page('device-done', { client: app, outcome: 'approved' }),
  page('device-done-denied', { client: null, outcome: 'denied' }),
];

const logouts: Sample[] = [
  page('logout', { action: '#', xsrf: 'x', client: app, account: ada }),
  page('logout-plain', { action: '#', xsrf: 'x', client: null, account: noName }),
  page('logout-done', { client: app }),
  page('logout-done-plain', { client: null }),
];

const requestId = 'req_01K9ZQ4T7M3J5W8XN2B6C0D1E4';
const failures: Sample[] = [
  page('error-not-found', {
    headingKey: 'error.heading.not_found',
    messageKey: 'error.not_found',
    code: 'not_found',
    requestId,
    backLink: '/',
  }),
  page('error-redirect', {
    headingKey: 'error.heading.oauth',
    messageKey: 'error.oauth.invalid_redirect_uri',
    code: 'invalid_redirect_uri',
    requestId,
    backLink: null,
  }),
  page('error-internal', {
    headingKey: 'error.heading.internal_error',
    messageKey: 'error.internal_error',
    code: null,
    requestId,
    backLink: null,
  }),
  page('error-form-expired', {
    headingKey: 'error.heading.form_expired',
    messageKey: 'error.form_expired',
    code: 'form_expired',
    requestId,
    backLink: '/device',
  }),
];

const setup = { action: '/setup', token: 'sample', values: {}, fieldErrors: {}, minimumLength: 15 };
const setups: Sample[] = [
  page('setup', setup),
  page('setup-errors', {
    ...setup,
    values: { email: 'ada@', username: 'a b', name: 'Ada' },
    fieldErrors: {
      email: 'field.error.email',
      username: 'field.error.username',
      password: 'error.password_too_short',
    },
  }),
  page('setup-done', { email: 'ada@example.com' }),
];

const links = [
  { label: 'OpenID configuration', href: '/.well-known/openid-configuration' },
  { label: 'Connect a device', href: '/device' },
];
const home = { productName: 'Gatehouse', issuer: 'https://id.harbour.example', links };
const homes: Sample[] = [page('home', home)];

export const samples: readonly Sample[] = [
  ...logins,
  ...consents,
  ...selects,
  ...lost,
  ...devices,
  ...logouts,
  ...failures,
  ...setups,
  ...homes,
  ...accountSamples,
  ...registrationSamples,
  ...signInSamples,
  ...securitySamples,
  ...keySamples,
  ...organizationSamples,
  ...outboxSamples,
  {
    name: 'design',
    view: 'dev/design',
    titleKey: 'dev.design.title',
    model: { themes: [{ name: 'dark', href: '/dev/design?theme=dark', isHere: true }], directions: [] },
    nav: 'security',
    done: 'saved',
  },
];

function page(name: string, model: Record<string, unknown>): Sample {
  const [view, titleKey] = viewOf(name);
  return { name, view, titleKey, model };
}

// The longest prefix wins, so that 'device-done-denied' is the device's last page and not its first.
function viewOf(name: string): readonly [string, string | null] {
  const found = Object.entries(views).find(([prefix]) => name.startsWith(prefix));
  if (found === undefined) throw new Error(`No view for the sample ${name}`);
  return found[1];
}
