// An instant in an answer: a Date in a record, ISO 8601 text in JSON.
import { z } from 'zod';

export const instant = z
  .date()
  .transform((date) => date.toISOString())
  .pipe(z.iso.datetime());
