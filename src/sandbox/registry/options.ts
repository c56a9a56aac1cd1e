import type { FieldValidation } from "./decode.ts";

export interface WriteOptions {
  /** Who owns the fields that this write sets. */
  manager: string;
  fieldValidation?: FieldValidation;
  dryRun?: boolean;
  /** Apply only: take over fields that others own. */
  force?: boolean;
  subresource?: "status" | "scale";
  warn?(text: string): void;
}

export interface DeleteOptions {
  uid?: string;
  resourceVersion?: string;
  propagation?: "Background" | "Foreground" | "Orphan";
  gracePeriodSeconds?: number;
  dryRun?: boolean;
}
