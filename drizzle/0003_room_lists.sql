DROP INDEX `members_user`;--> statement-breakpoint
CREATE INDEX `members_user` ON `members` (`user_pk`,`room_pk`,`role`);--> statement-breakpoint
DROP INDEX `messages_deleted`;--> statement-breakpoint
CREATE INDEX `messages_deleted` ON `messages` (`room_pk`,`seq`,`deleted_at`) WHERE deleted_at IS NOT NULL;