// The settings of what people meet: their place in Config, like those of schema.ts, which takes them in.
import { strengths } from '../../lib/strength.ts';
import * as kind from './kinds.ts';
import { following, optional, secret, setting } from './setting.ts';

export const peopleSettings = {
  signIn: {
    strength: setting(
      'SIGN_IN_STRENGTH',
      kind.choice(...strengths),
      '1fa',
      'How sure every sign-in must be: one factor (1fa), a second step (2sv), two factors (mfa), two of which one resists phishing (phr). Whoever has set up a second factor is always asked for it, and administrators always need two factors.',
    ),
    adminsRemembered: setting(
      'ADMIN_REMEMBERED_DEVICES',
      kind.choice('on', 'off'),
      'off',
      'Whether a browser that was remembered spares administrators their second factor, too.',
    ),
  },
  factors: {
    smsCountries: setting(
      'SMS_COUNTRIES',
      kind.countries,
      [],
      'Countries to whose phone numbers codes are sent; empty: all.',
    ),
  },
  verification: {
    codeSeconds: setting(
      'ONE_TIME_CODE_SECONDS',
      kind.wholeNumber(60, 600),
      600,
      'How long a code that was sent by mail or SMS is good for.',
    ),
    linkSeconds: setting(
      'LINK_SECONDS',
      kind.wholeNumber(60, 1800),
      1800,
      'How long a link that was sent by mail is good for.',
    ),
    perRecipient: setting(
      'CODES_PER_RECIPIENT',
      kind.wholeNumber(1, 1000),
      6,
      'How many codes and links one mail address or phone number gets in an hour; links for a forgotten password and codes of a second step are counted apart.',
    ),
    perAccount: setting(
      'CODES_PER_ACCOUNT',
      kind.wholeNumber(1, 1000),
      12,
      'How many codes and links are sent for one account in an hour; counted apart like those.',
    ),
    perAddress: setting(
      'CODES_PER_ADDRESS',
      kind.wholeNumber(1, 100_000),
      60,
      'How many codes and links are sent in an hour because one IP address (an IPv6 /64) asked for them.',
    ),
  },
  devices: {
    rememberedDays: setting(
      'REMEMBERED_DEVICE_DAYS',
      kind.wholeNumber(0, 365),
      30,
      'For how many days a browser may be remembered in place of a second step; 0: never. It ends sooner with a change of password, factors or addresses.',
    ),
  },
  registration: {
    mode: setting(
      'REGISTRATION',
      kind.choice('closed', 'open', 'code', 'invitation'),
      'closed',
      'Who may make an account for themselves: nobody, anybody, whoever has a registration code, or whoever was invited. An invitation works in every mode but closed.',
    ),
    hookUrl: optional(
      'REGISTRATION_HOOK_URL',
      kind.httpUrl,
      'Address that is asked, before a code is sent, whether somebody may register; it answers {"allow": true} or {"allow": false}.',
    ),
    hookSecret: secret(
      'REGISTRATION_HOOK_SECRET',
      kind.webhookSecret,
      'What those questions are signed with (Standard Webhooks).',
    ),
    hookFails: setting(
      'REGISTRATION_HOOK_FAILS',
      kind.choice('open', 'closed'),
      'open',
      'Whether people may register while that address does not answer.',
    ),
  },
  terms: {
    version: optional(
      'TERMS_VERSION',
      kind.text,
      'Version of the terms that everybody has to accept, such as 2026-11; whoever accepted another one is asked anew.',
    ),
    url: optional('TERMS_URL', kind.httpUrl, 'Where those terms can be read.'),
  },
  profile: {
    file: optional(
      'PROFILE_FILE',
      kind.path,
      'JSON file with further fields of profiles, and with who may see and change which.',
    ),
  },
  messages: {
    smtpUrl: secret(
      'SMTP_URL',
      kind.smtpUrl,
      'The mail server, such as smtps://user:password@mail.example.com or smtp://mail.example.com:587.',
    ),
    smtpTls: setting(
      'SMTP_TLS',
      kind.choice('required', 'if_offered'),
      'required',
      'Whether a mail server at smtp:// must offer TLS (STARTTLS) before anything is sent; one on this machine need not.',
    ),
    smtpTimeoutSeconds: setting(
      'SMTP_TIMEOUT_SECONDS',
      kind.wholeNumber(1, 60),
      15,
      'How long each answer of the mail server is waited for.',
    ),
    from: following(
      'SMTP_FROM',
      kind.mailbox,
      {
        says: 'PRODUCT_NAME <no-reply@host of ISSUER>',
        value: (of) => `${of('PRODUCT_NAME')} <no-reply@${hostOf(of('ISSUER'))}>`,
      },
      'Whom mails are from, such as Example <id@example.com>.',
    ),
    mailWebhookUrl: optional(
      'MAIL_WEBHOOK_URL',
      kind.httpUrl,
      'Address that is given every mail instead of a mail server.',
    ),
    mailWebhookSecret: secret(
      'MAIL_WEBHOOK_SECRET',
      kind.webhookSecret,
      'What those mails are signed with (Standard Webhooks).',
    ),
    smsWebhookUrl: optional(
      'SMS_WEBHOOK_URL',
      kind.httpUrl,
      'Address that is given every text message; without it there are none.',
    ),
    smsWebhookSecret: secret(
      'SMS_WEBHOOK_SECRET',
      kind.webhookSecret,
      'What those text messages are signed with (Standard Webhooks).',
    ),
  },
  accounts: {
    deletionGraceDays: setting(
      'ACCOUNT_DELETION_GRACE_DAYS',
      kind.wholeNumber(0, 90),
      14,
      'How many days people have to think again after they asked for the deletion of their account.',
    ),
  },
  recovery: {
    byMail: setting(
      'RECOVERY_BY_MAIL',
      kind.choice('on', 'off'),
      'on',
      'Whether people who forgot their password may set a new one by a link in a mail. Without it they ask an administrator.',
    ),
    tellUnknown: setting(
      'RECOVERY_TELL_UNKNOWN',
      kind.choice('on', 'off'),
      'on',
      'Whether a mail address that nobody has is told so when somebody asks for a new password or a sign-in code with it; the page is the same for everybody.',
    ),
    emailUndoDays: setting(
      'EMAIL_UNDO_DAYS',
      kind.wholeNumber(0, 30),
      7,
      'For how long the link works by which the old mail address of an account takes back a change of it; 0 for no such link.',
    ),
    signInMailCode: setting(
      'SIGN_IN_MAIL_CODE',
      kind.choice('on', 'off'),
      'off',
      'Whether people may sign in by a code in a mail in place of their password.',
    ),
  },
};

/** A default is tried out before the setting it follows is there. */
function hostOf(issuer: unknown): string {
  return URL.canParse(String(issuer)) ? new URL(String(issuer)).hostname : 'localhost';
}
