// The settings of what people meet: their place in Config, like those of schema.ts, which takes them in.
import * as kind from './kinds.ts';
import { setting } from './setting.ts';

export const peopleSettings = {
  registration: {
    mode: setting(
      'REGISTRATION',
      kind.choice('closed', 'open', 'code', 'invitation'),
      'closed',
      'Who may make an account for themselves: nobody, anybody, whoever has a registration code, or whoever was invited.',
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
