// The steps of a sign-in after the first: a second factor, one to be set up, and its recovery codes.
import { longName, type Sample } from './sample.ts';

const client = { name: 'Harbour Notes', logoUri: null };
const options = { challenge: 'Y2hhbGxlbmdl', rpId: 'localhost', timeout: 60_000 };
const passkey = { action: '#', options };

const factor = {
  action: '#',
  sendAction: '#',
  cancelAction: '#',
  switchAccountAction: '#',
  sentTo: null,
  needsSending: false,
  others: [],
  passkey: null,
  rememberDays: 0,
  account: 'ada@example.com',
  error: null,
  fieldErrors: {},
  retryAfterSeconds: null,
  client,
};
const others = ['totp', 'sms-code', 'mail-code', 'recovery-code'].map((way) => ({
  way,
  href: `/?way=${way}`,
}));

const enrol = {
  kind: null,
  kinds: [
    { kind: 'totp', href: '/?kind=totp' },
    { kind: 'passkey', href: '/?kind=passkey' },
    { kind: 'sms', href: '/?kind=sms' },
  ],
  reason: 'admin',
  action: '#',
  backHref: '/',
  cancelAction: '#',
  switchAccountAction: '#',
  account: 'ada@example.com',
  error: null,
  fieldErrors: {},
  client,
};
const svg =
  '<svg xmlns="http://www.w3.org/2000/svg" class="qr-code" role="img" aria-label="QR" viewBox="0 0 8 8"><path fill="#000" d="M1 1h3v3h-3zM5 5h2v2h-2z"/></svg>';
const totp = {
  enrolment: 'sealed',
  secret: 'ABCD EFGH IJKL MNOP QRST UVWX YZ23 4567',
  uri: 'otpauth://totp/x',
  svg,
};

export const signInSamples: Sample[] = [
  second('totp', { way: 'totp', rememberDays: 30, others: others.slice(1) }),
  second('wrong', { way: 'totp', fieldErrors: { code: 'factor.error.refused' } }),
  second('locked', { way: 'totp', error: 'login.error.locked', retryAfterSeconds: 600 }),
  second('sms-before', { way: 'sms-code', needsSending: true, others }),
  second('sms', { way: 'sms-code', sentTo: '•••• 12' }),
  second('mail', {
    way: 'mail-code',
    sentTo: 'a•••@example.com',
    error: 'factor.error.sendingLimited',
    retryAfterSeconds: 1200,
  }),
  second('recovery', { way: 'recovery-code', client: { ...client, name: longName } }),
  second('passkey', { way: 'passkey', passkey, rememberDays: 30, others }),
  setUp('choice', {}),
  setUp('choice-client', { reason: 'client', client: { ...client, name: longName } }),
  setUp('totp', { kind: 'totp', totp }),
  setUp('totp-wrong', { kind: 'totp', totp, fieldErrors: { code: 'factor.error.refused' } }),
  setUp('totp-expired', { kind: 'totp', totp, error: 'That took too long. Please scan the new picture.' }),
  setUp('sms', {
    kind: 'sms',
    sms: { step: 'to', to: '0660', sentTo: null },
    fieldErrors: { to: 'error.phone_number_invalid' },
  }),
  setUp('sms-sent', { kind: 'sms', sms: { step: 'code', to: '+43 660 1234567', sentTo: '•••• 67' } }),
  setUp('passkey', { kind: 'passkey', passkey }),
  {
    name: 'recovery-codes',
    view: 'interaction/recovery-codes',
    titleKey: 'recoveryCodes.title',
    model: { codes: Array.from({ length: 10 }, (_, at) => `k7f3-9w2${at}-xq4m`), continueTo: '/', client },
  },
  changed('change-password', {}),
  changed('change-password-refused', {
    reason: 'changePassword.reason.short',
    asksCurrent: true,
    fieldErrors: { current_password: 'account.password.error.current', password: 'error.password_reused' },
  }),
];

function changed(name: string, model: Record<string, unknown>): Sample {
  return {
    name,
    view: 'interaction/change-password',
    titleKey: 'changePassword.title',
    model: {
      action: '/interaction/x/change-password',
      cancelAction: '/interaction/x/cancel',
      username: 'ada@example.com',
      reason: 'changePassword.reason.breached',
      asksCurrent: false,
      minimumLength: 15,
      maximumLength: 256,
      error: null,
      fieldErrors: {},
      retryAfterSeconds: null,
      client,
      ...model,
    },
  };
}

function second(name: string, model: Record<string, unknown>): Sample {
  const titleKey = 'factor.title';
  return {
    name: `second-factor-${name}`,
    view: 'interaction/second-factor',
    titleKey,
    model: { ...factor, ...model },
  };
}

function setUp(name: string, model: Record<string, unknown>): Sample {
  const titleKey = 'enrol.title';
  return {
    name: `enrol-factor-${name}`,
    view: 'interaction/enrol-factor',
    titleKey,
    model: { ...enrol, ...model },
  };
}
