// Every mail and text message there is, once: its name, which is that of views/mail/<name>.ejs, and sample values for
// previews and tests. views/mail/README.md says how to write one.

export interface TemplateSample {
  /** What the sender of the message gives; every value that the template reads. */
  readonly values: Readonly<Record<string, unknown>>;
  /** There is a text message of that name as well: the key mail.<name>.sms. */
  readonly sms?: true;
  /** Only that: there is no mail. */
  readonly smsOnly?: true;
}

const link = 'https://id.example.com/verify?token=8m3kq2v7x1t9c4z6r5w0n8b2';
const code = '48203917';

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
} as const satisfies Record<string, TemplateSample>;

export type MailTemplate = keyof typeof table;

export const templates: Readonly<Record<MailTemplate, TemplateSample>> = table;
export const templateNames = Object.keys(table) as MailTemplate[];

export function isTemplate(name: string): name is MailTemplate {
  return Object.hasOwn(table, name);
}
