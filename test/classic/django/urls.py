from django.contrib.auth import authenticate, login
from django.http import HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from chat.tokens import chat_jwks, chat_token
from chat.views import room


@csrf_exempt
def log_in(request):
    login(request, authenticate(username=request.POST["username"], password=request.POST["password"]))
    return HttpResponse()


urlpatterns = [
    path("login/", log_in),
    path("room/<room_name>/", room),
]

# What follows is from docs/migration.md.
