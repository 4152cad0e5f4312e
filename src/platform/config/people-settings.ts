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
};
