// The security pages in their states.
import type { Sample } from './sample.ts';

const cancel = '/account/security';
const row = (title: string, more: object = {}) => ({
  icon: 'key',
  title,
  lines: ['Passkey · synced between your devices', 'Added 1 Nov 2026 · last used 21 Nov 2026'],
  actions: [
    { label: 'Rename', hidden: title, href: '/account/security/factors/fac_1' },
    { label: 'Remove', hidden: title, href: '/account/security/factors/fac_1/remove' },
  ],
  ...more,
});
const browser = (title: string, more: object = {}) => ({
  icon: 'device',
  title,
  lines: ['Last sign-in 21 Nov 2026 · remembered until 21 Dec 2026', '192.0.2.17'],
  actions: [{ label: 'Forget', action: '/account/security/browsers', fields: { browser: 'dev_1' } }],
  ...more,
});
const adding = ['Passkey', 'Authenticator app', 'Codes by text message', 'Codes by email'].map((title) => ({
  icon: 'key',
  title,
  lines: ['What it is, in one sentence that may be a little longer than the others around it.'],
  href: '/account/security/passkeys',
}));
const codes = Array.from({ length: 10 }, (_, index) => `7K3M-9Q${index}D-XA4T-PW8Z-JC5R-H2VE`);
const options = { challenge: 'AAAA', rp: { id: 'localhost' }, user: { id: 'AAAA' } };

const sample = (name: string, view: string, titleKey: string, model: object): Sample => ({
  name: `security-${name}`,
  view: `self-service/security/${view}`,
  titleKey,
  nav: 'security',
  model: { ...model },
});

const overview = {
  hasPassword: true,
  factors: [],
  adding,
  recovery: null,
  browsers: [],
  offersEnd: false,
};
const authenticator = {
  action: '/account/security/authenticator',
  cancel,
  enrolment: 'sealed',
  secret: 'JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP',
  qrCode: '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path d="M1 1h7v7h-7z"/></svg>',
  name: 'Authenticator app',
  error: null,
  fieldErrors: { code: null, name: null },
};
const passkey = {
  action: '/account/security/passkeys',
  cancel,
  options,
  name: '',
  error: null,
  fieldErrors: { name: null },
};
const sent = {
  action: '/account/security/codes/sms',
  cancel,
  channel: 'sms',
  step: 'to',
  to: '',
  ownAddress: 'ada@example.com',
  sentTo: '',
  name: 'Codes by text message',
  error: null,
  fieldErrors: {},
};
const removal = {
  action: '/account/security/factors/fac_1/remove',
  cancel,
  name: '1Password',
  kind: 'Passkey',
};

export const securitySamples: readonly Sample[] = [
  sample('nothing', 'overview', 'security.title', overview),
  sample('everything', 'overview', 'security.title', {
    ...overview,
    factors: [
      row('1Password'),
      row('Security key', { badge: { kind: 'bad', text: 'Does not work any more' } }),
      row('A phone with a name that goes on for longer than anybody would expect it to go on'),
    ],
    recovery: { left: 2, isFew: true },
    browsers: [
      browser('Firefox on Linux', { badge: { kind: 'good', text: 'This browser' } }),
      browser('Chrome on Android'),
    ],
    offersEnd: true,
  }),
  sample('no-password', 'overview', 'security.title', {
    ...overview,
    hasPassword: false,
    factors: [row('1Password')],
  }),
  sample('authenticator', 'authenticator', 'security.totp.title', authenticator),
  sample('authenticator-wrong', 'authenticator', 'security.totp.title', {
    ...authenticator,
    fieldErrors: { code: 'This code is not right. Please check it and type it again.', name: null },
  }),
  sample('passkey', 'passkey', 'security.passkey.title', passkey),
  sample('passkey-refused', 'passkey', 'security.passkey.title', {
    ...passkey,
    error: 'This passkey could not be added. Please try once more, or with another one.',
  }),
  sample('sms', 'codes', 'security.sms.title', sent),
  sample('sms-code', 'codes', 'security.sms.title', { ...sent, step: 'code', sentTo: '•••• 67' }),
  sample('mail', 'codes', 'security.mail.title', { ...sent, channel: 'mail' }),
  sample('rename', 'rename', 'security.rename.title', {
    action: '/account/security/factors/fac_1',
    cancel,
    kind: 'Passkey',
    name: '1Password',
    fieldErrors: { name: null },
  }),
  sample('remove', 'remove', 'security.remove.title', { ...removal, isLast: false, kept: null }),
  sample('remove-last', 'remove', 'security.remove.title', { ...removal, isLast: true, kept: null }),
  sample('remove-kept', 'remove', 'security.remove.title', { ...removal, isLast: true, kept: 'needed' }),
  sample('remove-only', 'remove', 'security.remove.title', { ...removal, isLast: true, kept: 'onlyWayIn' }),
  sample('codes', 'recovery-codes', 'security.codes.title', {
    action: '/account/security/recovery-codes',
    cancel,
    left: 7,
  }),
  sample('codes-new', 'new-recovery-codes', 'security.codes.title', { codes, next: cancel }),
];
