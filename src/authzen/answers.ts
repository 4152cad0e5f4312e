// How a decision is said: yes or no, and why, by stable codes.
import type { DecisionAnswer } from './schema.ts';

interface Judged {
  readonly allowed: boolean;
  readonly reasons: readonly { readonly code: string; readonly text: string }[];
}

export const unknownSubject = answerOf({
  allowed: false,
  reasons: [
    {
      code: 'subject_unknown',
      text: 'There is no such subject, or it is suspended or disabled, or it is no member of the organization.',
    },
  ],
});

export const unknownOrganization = answerOf({
  allowed: false,
  reasons: [{ code: 'organization_unknown', text: 'There is no such organization, or several were named.' }],
});

/** §Decision Context: in one form for administrators, and in another for whoever was refused. */
export function answerOf({ allowed, reasons }: Judged): DecisionAnswer {
  const reason_admin: Record<string, string> = {};
  const reason_user: Record<string, string> = {};
  for (const { code, text } of reasons) {
    reason_admin[code] = reason_admin[code] === undefined ? text : `${reason_admin[code]} ${text}`;
    reason_user[code] = 'You may not do this. Whoever administers your access can change that.';
  }
  return { decision: allowed, context: allowed ? { reason_admin } : { reason_admin, reason_user } };
}
