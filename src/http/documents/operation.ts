import type * as v from "valibot";

import type { Code } from "../../chat/errors.ts";

/** A response that is no refusal of the API. */
export interface OperationResponse {
  /** Default: that of the schema. */
  description?: string;
  schema?: v.GenericSchema;
  /** Default: `application/json`. */
  contentType?: string;
  /** Whether the header `Location` has the path of what was created. */
  hasLocation?: true;
}

/** What the document says about one method of one route. The schemas are those with which the route validates. */
export interface Operation {
  /** Unique among all operations: names the method in generated clients. */
  id: string;
  tag: "Users" | "Rooms" | "Members" | "Moderation" | "Messages" | "Search" | "Server";
  /** What it does, in a few words. */
  summary: string;
  description?: string;
  /** Parameters of the query, by name. */
  query?: v.GenericSchema;
  /** Headers of the request beside those that every route has. */
  headers?: Record<string, v.GenericSchema>;
  body?: v.GenericSchema;
  /** By status. */
  responses: Partial<Record<200 | 201 | 204 | 404 | 503, OperationResponse>>;
  /** Codes of refusals beside those that follow from the path, the body and the token. */
  codes?: readonly Code[];
  /** Whether it needs no token. */
  isPublic?: true;
}

/** Operations by method and route, as in `GET /api/rooms/:room`. */
export type Operations = Readonly<Record<string, Operation>>;
