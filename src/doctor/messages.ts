// Examinations of mail and text messages: whether something carries them, answers, and has left nothing behind.
import { isProblem } from '../platform/inspect/problem.ts';
import { type Examination, failed, notMeasured, ok, warning } from './examination.ts';
import type { CarrierFacts } from './facts.ts';

export const messageExaminations: readonly Examination[] = [
  {
    id: 'mail',
    title: 'Mail can be sent',
    judge({ carriers: { mail }, config }) {
      if (mail === null) {
        return warning(
          'Nothing carries mail: whoever forgets a password needs an administrator, and nobody is told of a new device.',
          'Set SMTP_URL or MAIL_WEBHOOK_URL (docs/mail.md).',
        );
      }
      if (mail.kind === 'files')
        return ok(`Mails are files below ${config.database.dataDirectory}, as on a machine of a developer.`);
      return answered(mail, mail.kind === 'smtp' ? 'The mail server at SMTP_URL' : 'MAIL_WEBHOOK_URL');
    },
  },
  {
    id: 'sms',
    title: 'Text messages can be sent',
    judge({ carriers: { sms } }) {
      // Nobody needs them: an authenticator app or a passkey is the better second factor.
      if (sms === null) return ok('There are none: SMS_WEBHOOK_URL is not set.');
      if (sms.kind === 'files') return ok('They are files, as on a machine of a developer.');
      return answered(sms, 'SMS_WEBHOOK_URL');
    },
  },
  {
    id: 'outbox',
    title: 'Messages go out',
    judge({ stored }) {
      if (isProblem(stored)) return notMeasured(`It could not be read: ${stored.problem}.`);
      const { failedMessages, lateMessages } = stored;
      if (lateMessages > 0) {
        return failed(
          `${lateMessages} wait for more than an hour.`,
          'See `gatehouse message list --state waiting` for the reason.',
        );
      }
      if (failedMessages === 0) return ok('None was given up.');
      return warning(
        `${failedMessages} given up in the last month.`,
        'See `gatehouse message list --state failed`; `gatehouse message retry ID` sends one again.',
      );
    },
  },
];

function answered({ outcome }: CarrierFacts, who: string) {
  if (outcome.kind === 'sent') return ok(`${who} answers.`);
  const remedies: Partial<Record<typeof outcome.reason, string>> = {
    sign_in_refused: 'Compare the user name and password in SMTP_URL with those of the mail server.',
    tls_failed:
      'Let the mail server offer TLS with a certificate that is trusted here; NODE_EXTRA_CA_CERTS adds an authority of your own.',
  };
  return failed(
    `${who} cannot be used: ${outcome.reason.replaceAll('_', ' ')}.`,
    remedies[outcome.reason] ??
      'Check its host and port, and that this machine may reach them. Messages wait until then.',
  );
}
