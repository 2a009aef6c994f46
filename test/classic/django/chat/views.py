from django.contrib.auth.decorators import login_required
from django.shortcuts import render

from .tokens import sign_token

# What follows is from docs/migration.md.
