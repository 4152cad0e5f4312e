// Every mail and text message there is, once: its name, which is that of views/mail/<name>.ejs, and sample values for
// previews and tests. views/mail/README.md says how to write one.

export interface TemplateSample {
  /** What the sender of the message gives; every value that the template reads. */
  readonly values: Readonly<Record<string, unknown>>;
  /** There is a text message of that name as well: the key mail.<name>.sms. */
  readonly sms?: true;
  /** Only that: there is no mail. */
  readonly smsOnly?: true;
  /** The view that it shares with others, which names its sentences by `template`. */
  readonly view?: string;
}

const link = 'https://id.example.com/verify?token=8m3kq2v7x1t9c4z6r5w0n8b2';
const code = '48203917';

/** What notices about an account have in common; the ledger gives it. */
const notice = {
  at: '2026-11-22T09:15:00.000Z',
  address: '203.0.113.7',
  browser: 'Firefox',
  system: 'Windows',
  link: 'https://id.example.com/account/activity',
};
const noticeByAdmin = { at: notice.at, byAdmin: true, link: notice.link };

const table = {
  'factor-code': { values: { code, minutes: 10 }, sms: true },
  'sign-in-code': { values: { code, minutes: 10 }, sms: true },
  'verify-address': { values: { code, link, minutes: 30 } },
  'change-email': { values: { code, minutes: 10 } },
  'change-email-taken': { values: {} },
  'change-phone': { values: { code, minutes: 10 }, smsOnly: true },
  'email-changed': { values: { link, days: 7 } },
  recover: { values: { link, minutes: 30 } },
  'recover-by-admin': { values: { link, minutes: 30 } },
  'recover-suspended': { values: {} },
  'recover-unknown': { values: {} },
  'new-device': { values: notice, view: 'notice' },
  'account-deletion': {
    values: { at: notice.at, link: 'https://id.example.com/keep-account?token=acc_8m3k.2v7x1t9c4z6r5w0n' },
  },
  'account-deleted': { values: { at: notice.at } },
  'account-kept': { values: notice, view: 'notice' },
  'account-exported': { values: notice, view: 'notice' },
  'account-protected': { values: notice, view: 'notice' },
  'factor-added': { values: { ...notice, kind: 'passkey' }, view: 'notice' },
  'factor-removed': { values: { ...notice, kind: 'totp' }, view: 'notice' },
  'factor-disabled': { values: { ...notice, kind: 'sms' }, view: 'notice' },
  'factors-reset': { values: noticeByAdmin, view: 'notice' },
  'passkey-copied': { values: notice, view: 'notice' },
  'recovery-codes-renewed': { values: notice, view: 'notice' },
  'recovery-code-used': { values: { ...notice, left: 3 }, view: 'notice' },
  'password-changed': { values: notice, view: 'notice' },
  'password-recovered': { values: notice, view: 'notice' },
  'password-disabled': { values: notice, view: 'notice' },
  'address-changed': { values: notice, view: 'notice' },
  'address-restored': { values: notice, view: 'notice' },
  'phone-changed': { values: notice, view: 'notice' },
  'phone-removed': { values: notice, view: 'notice' },
  'api-key-created': { values: { ...notice, name: 'nightly export' }, view: 'notice' },
  'many-failures': { values: notice, view: 'notice' },
  'sessions-ended': { values: noticeByAdmin, view: 'notice' },
  register: { values: { code, link, minutes: 10 } },
  'register-taken': { values: { signInLink: 'https://id.example.com/account' } },
  invitation: { values: { link, days: 7 } },
} as const satisfies Record<string, TemplateSample>;

export type MailTemplate = keyof typeof table;

export const templates: Readonly<Record<MailTemplate, TemplateSample>> = table;
export const templateNames = Object.keys(table) as MailTemplate[];

export function isTemplate(name: string): name is MailTemplate {
  return Object.hasOwn(table, name);
}
