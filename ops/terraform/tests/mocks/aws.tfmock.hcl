# Values whose shape the provider checks; everything else is made up.
mock_data "aws_caller_identity" {
  defaults = { account_id = "222222222222" }
}
mock_data "aws_iam_policy_document" {
  defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
}
mock_resource "aws_iam_role" {
  defaults = { arn = "arn:aws:iam::222222222222:role/made" }
}
mock_resource "aws_kms_key" {
  defaults = { arn = "arn:aws:kms:ap-south-1:222222222222:key/00000000-0000-0000-0000-000000000000" }
}
mock_resource "aws_s3_bucket" {
  defaults = { arn = "arn:aws:s3:::made" }
}
mock_resource "aws_sns_topic" {
  defaults = { arn = "arn:aws:sns:ap-south-1:222222222222:made" }
}
mock_resource "aws_backup_vault" {
  defaults = { arn = "arn:aws:backup:ap-south-1:222222222222:backup-vault:made" }
}
mock_resource "aws_cloudwatch_log_group" {
  defaults = { arn = "arn:aws:logs:ap-south-1:222222222222:log-group:made" }
}
mock_resource "aws_db_instance" {
  defaults = { arn = "arn:aws:rds:ap-south-1:222222222222:db:made" }
}
mock_resource "aws_cloudfront_distribution" {
  defaults = { arn = "arn:aws:cloudfront::222222222222:distribution/MADE" }
}
mock_data "aws_secretsmanager_random_password" {
  defaults = { random_password = "0123456789abcdef0123456789abcdef" }
}
mock_resource "aws_secretsmanager_secret" {
  defaults = { arn = "arn:aws:secretsmanager:ap-south-1:222222222222:secret:made" }
}
mock_resource "aws_launch_template" {
  defaults = { id = "lt-0123456789abcdef0" }
}
