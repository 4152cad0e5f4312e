// The account pages in their states.
import type { Sample } from './sample.ts';

export const accountSamples: readonly Sample[] = [
  {
    name: 'account-home',
    view: 'self-service/home',
    titleKey: 'account.home.title',
    nav: 'home',
    model: { name: 'Ada Lovelace' },
  },
];
